"""The collector's task queue as trainers and workers ask it: batches, and leases on their rollouts."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from leyden_instrumentation.collector_address import of as address_of
from leyden_store.calling import call
from leyden_store.errors import CallRefused, NoAnswer
from leyden_trainers.errors import LeaseOver, QueueRefused, QueueUnreachable
from leyden_trainers.online.runner import Assignment, Policy, Ran
from leyden_trainers.online.tasks import Task

_ANSWER_S = 30.0
"""How long an answer may take beyond what was agreed to wait."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A rollout in this worker's hands, for `lease_s` seconds unless extended."""

    lease_id: str
    assignment: Assignment
    policy: Policy
    project: str
    timeout_s: float
    lease_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """open: how many rollouts have not ended; ended: those that have, after the cursor given; cursor: the last's."""

    open: int
    ended: Sequence[Ran]
    cursor: int


class TaskClient:
    """The queue of a collector. `OTEL_EXPORTER_OTLP_HEADERS`, the headers of spans, say who asks.

    Every call raises QueueUnreachable when it should be tried again later, QueueRefused when that would not help.
    """

    def __init__(self, collector: str) -> None:
        self._url = collector.rstrip("/")
        self._headers = address_of(os.environ).headers

    def put(self, batch_id: str, work: Sequence[Assignment], policy: Policy, **terms: Any) -> None:
        """Put a batch in; the same again changes nothing. terms: queue, project, timeout_s, lease_s, max_tries."""
        rollouts = [asdict(one) for one in work]
        self._ask("PUT", f"tasks/{quote(batch_id, safe='')}", {"rollouts": rollouts, "policy": asdict(policy), **terms})

    def progress(self, batch_id: str, after: int, *, wait_s: float) -> Progress:
        """What of a batch ended after a cursor; waits for something to."""
        query = f"after={after}&wait_s={wait_s}&limit=1000"
        told = self._ask("GET", f"tasks/{quote(batch_id, safe='')}?{query}", wait_s=wait_s)
        ended = [
            Ran(one["rollout_id"], one["output"], one["error"], max(1, one["tries"]), one["state"] == "timed_out")
            for one in told["ended"]
        ]
        return Progress(told["open"], ended, told["ended"][-1]["cursor"] if ended else after)

    def cancel(self, batch_id: str) -> None:
        """End what of a batch has not ended."""
        self._ask("DELETE", f"tasks/{quote(batch_id, safe='')}")

    def lease(self, worker: str, queue: str, *, wait_s: float, request_id: str) -> Lease | None:
        """A rollout to run; waits for one. None when there was none.

        request_id: new for every lease, and the same where the answer to one did not arrive: it may have been given
        """
        asked = {"worker": worker, "queue": queue, "wait_s": wait_s, "request_id": request_id}
        for given in self._ask("POST", "leases", asked, wait_s=wait_s):
            task = Task(**given["task"])
            assignment = Assignment(given["rollout_id"], given["group_id"], given["attempt"], task)
            policy = Policy(**given["policy"])
            return Lease(given["lease_id"], assignment, policy, given["project"], given["timeout_s"], given["lease_s"])
        return None

    def extend(self, lease_ids: Sequence[str]) -> set[str]:
        """Keep leases; those that are over all the same."""
        told: dict[str, str] = self._ask("POST", "leases/extend", {"lease_ids": list(lease_ids)})
        return {lease_id for lease_id, state in told.items() if state != "held"}

    def end(self, lease_id: str, ran: Ran) -> None:
        """Say how a rollout ended. Raises LeaseOver when nobody wants to know any more."""
        said = {"output": ran.output, "error": ran.error, "timed_out": ran.timed_out}
        self._ask("POST", f"leases/{lease_id}/end", said)

    def give_back(self, lease_id: str) -> None:
        """Let another run the rollout. Raises LeaseOver when another may already."""
        self._ask("POST", f"leases/{lease_id}/return", {})

    def _ask(self, method: str, path: str, value: Any = None, *, wait_s: float = 0.0) -> Any:
        url = f"{self._url}/api/{path}"
        try:
            text = call(url, value, method=method, headers=self._headers, timeout_s=wait_s + _ANSWER_S)
        except CallRefused as error:
            if error.code in (429, 502, 503, 504):
                raise QueueUnreachable(f"the collector at {self._url} cannot answer: {error.said}") from error
            refused = LeaseOver if error.code == 409 and path.startswith("leases/") else QueueRefused
            raise refused(f"the collector at {self._url} refused: {error.said}") from error
        except NoAnswer as error:
            raise QueueUnreachable(f"no collector answers at {self._url}: {error.reason}") from error
        return json.loads(text) if text else None
