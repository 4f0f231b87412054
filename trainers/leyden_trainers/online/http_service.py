"""The runner `http`: the agent is a service that takes jobs over HTTP, in whatever language, on whatever machine.

POST AGENT  {"rollout_id", "group_id", "attempt", "task", "input", "policy", "collector"}, with the rollout in `baggage`
            and `x-leyden-*`, and the trace it belongs to in `traceparent`
200         {"output"} or {"error"}: it has ended
202         `Location`, to be asked by GET until the answer is another; DELETE there calls it off
429, 503    not now: asked again after `Retry-After`
"""

from __future__ import annotations

import asyncio
import os
import queue
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import Field

from leyden_instrumentation.collector_address import of as address_of
from leyden_store.otlp import encode_traces
from leyden_store.spans import Span
from leyden_trainers.errors import RunnerInvalid
from leyden_trainers.online.runner import Assignment, Policy, Ran, RunnerConfig, as_they_end

_NOT_NOW = (429, 503)
_AGAIN_S = 0.5
_DELIVERY_S = 30.0
"""How long a collector that is away is tried, to be told that a rollout ended."""


class HttpConfig(RunnerConfig):
    """Settings of `http`. agent: the service's URL.

    max_tries:  how often a job is begun whose connection breaks
    settle_s:   seconds for which the service may hold its last spans back after its answer
    policy_url: where the service reaches the policy server, if not where this machine does
    """

    max_tries: int = Field(default=2, ge=1)
    settle_s: float = Field(default=0.5, ge=0)
    policy_url: str | None = None


@dataclass(slots=True)
class _Job:
    """One try at a rollout: where it is asked for, once that is known."""

    assignment: Assignment
    trace_id: str
    span_id: str
    at: httpx.URL | None = None


class HttpService:
    """Rollouts as jobs. Each try is a trace, whose root span this tells the collector when the job has ended."""

    Config = HttpConfig

    def __init__(self, config: HttpConfig) -> None:
        if not config.agent.startswith(("http://", "https://")):
            raise RunnerInvalid(f"the agent {config.agent!r} is no service: give its http:// URL")
        self._config = config
        self._loops: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    def run(self, work: Sequence[Assignment], policy: Policy) -> Iterator[Ran]:
        """See `runner.Runner`."""
        answers: queue.SimpleQueue[Ran] = queue.SimpleQueue()
        thread = threading.Thread(target=lambda: asyncio.run(self._all(work, policy, answers)), name="http-jobs")
        thread.start()
        try:
            yield from as_they_end(answers, len(work), self.close)
        finally:
            thread.join()

    def close(self) -> None:
        """Call off what runs."""
        for loop, task in tuple(self._loops.items()):
            with suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(task.cancel)

    async def _all(self, work: Sequence[Assignment], policy: Policy, answers: queue.SimpleQueue[Ran]) -> None:
        room = asyncio.Semaphore(self._config.concurrency)
        loop, this = asyncio.get_running_loop(), asyncio.current_task()
        assert this is not None
        self._loops[loop] = this

        async def one(client: httpx.AsyncClient, assignment: Assignment) -> None:
            async with room:
                answers.put(await self._rollout(client, assignment, policy))

        try:
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(timeout=None, limits=limits) as client, asyncio.TaskGroup() as jobs:  # noqa: S113 - bounded below
                for assignment in work:
                    jobs.create_task(one(client, assignment))
        except asyncio.CancelledError:
            pass
        finally:
            del self._loops[loop]

    async def _rollout(self, client: httpx.AsyncClient, assignment: Assignment, policy: Policy) -> Ran:
        """A rollout in as many tries as it takes."""
        deadline = time.monotonic() + self._config.timeout_s
        for tries in range(1, self._config.max_tries + 1):
            attempt = assignment.attempt + tries - 1
            job = _Job(
                Assignment(assignment.rollout_id, assignment.group_id, attempt, assignment.task),
                secrets.token_hex(16),
                secrets.token_hex(8),
            )
            began, broken = time.time_ns(), False
            output, error, late = None, None, False
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                    output, error = await self._try(client, job, policy)
            except TimeoutError:
                late, error = True, f"took longer than {self._config.timeout_s:g} s and was called off"
                await _call_off(client, job)
            except asyncio.CancelledError:
                with suppress(httpx.HTTPError):
                    await asyncio.shield(_call_off(client, job))
                raise
            except httpx.HTTPError as failed:
                broken, error = True, f"{self._config.agent}: {failed or type(failed).__name__}"
            await self._tell(client, job, began, error)
            if not broken:
                break
        return Ran(assignment.rollout_id, output, error, tries, late)

    async def _try(self, client: httpx.AsyncClient, job: _Job, policy: Policy) -> tuple[Any, str | None]:
        """The output, or the agent's own error. Raises httpx.HTTPError when the connection breaks."""
        headers, body = self._headers(job, policy), self._body(job.assignment, policy)
        while True:
            answer = await client.post(self._config.agent, json=body, headers=headers)
            if answer.status_code not in _NOT_NOW:
                break
            await asyncio.sleep(_pause(answer))
        while answer.status_code == httpx.codes.ACCEPTED:
            if job.at is None:
                if "location" not in answer.headers:
                    return None, "the service answered 202 and no Location to ask at"
                job.at = answer.url.join(answer.headers["location"])
            await asyncio.sleep(_pause(answer))
            answer = await client.get(job.at, headers=headers)
        said = _json(answer)
        if not answer.is_success:
            return None, f"the service answered {answer.status_code}: {said.get('error') or answer.text[:200]}"
        error = said.get("error")
        return said.get("output"), None if error is None else str(error)

    def _body(self, assignment: Assignment, policy: Policy) -> dict[str, Any]:
        told = asdict(policy) | ({"base_url": self._config.policy_url} if self._config.policy_url else {})
        task = {"id": assignment.task.id, **assignment.task.extra}
        who = {name: getattr(assignment, name) for name in ("rollout_id", "group_id", "attempt")}
        return {
            **who,
            "task": task,
            "input": assignment.task.input,
            "policy": told,
            "collector": self._config.collector,
        }

    def _headers(self, job: _Job, policy: Policy) -> dict[str, str]:
        who = {
            "rollout-id": job.assignment.rollout_id,
            "group-id": job.assignment.group_id,
            "attempt": str(job.assignment.attempt),
            "project": self._config.project or "",
        }
        named = {name.replace("-", "."): value for name, value in who.items()} | {"policy.version": policy.version}
        baggage = ",".join(f"leyden.{name}={quote(value, safe='')}" for name, value in named.items() if value)
        # What a header cannot hold, the baggage says alone.
        ours = {f"x-leyden-{name}": value for name, value in who.items() if value.isascii() and value.isprintable()}
        return {"traceparent": f"00-{job.trace_id}-{job.span_id}-01", "baggage": baggage, **ours}

    async def _tell(self, client: httpx.AsyncClient, job: _Job, began: int, error: str | None) -> None:
        """Send the try's root span: last, since it says that all of the rollout is there."""
        await asyncio.sleep(self._config.settle_s)
        one = job.assignment
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": "invoke_agent",
            "url.full": self._config.agent,
            "leyden.rollout.id": one.rollout_id,
            "leyden.group.id": one.group_id,
            "leyden.attempt": one.attempt,
        }
        if self._config.project:
            attributes["leyden.project"] = self._config.project
        span = Span(
            job.trace_id,
            job.span_id,
            "invoke_agent",
            began,
            time.time_ns(),
            kind="Client",
            status="Unset" if error is None else "Error",
            status_message=error or "",
            scope_name="leyden.runner.http",
            attributes=attributes,
        )
        body, deadline = encode_traces([span]), time.monotonic() + _DELIVERY_S
        credentials = {**address_of(os.environ).headers, "content-type": "application/x-protobuf"}
        while True:
            with suppress(httpx.HTTPError):
                url = f"{self._config.collector.rstrip('/')}/v1/traces"
                answer = await client.post(url, content=body, headers=credentials, timeout=10.0)
                if answer.status_code < 500 and answer.status_code not in _NOT_NOW:
                    return
            if time.monotonic() > deadline:
                return  # the rollout is then counted as incomplete
            await asyncio.sleep(_AGAIN_S)


async def _call_off(client: httpx.AsyncClient, job: _Job) -> None:
    """Tell the service that nobody waits for a job any more. It may not care."""
    if job.at is not None:
        with suppress(httpx.HTTPError):
            await client.delete(job.at, timeout=5.0)


def _pause(answer: httpx.Response) -> float:
    """Seconds until to ask again; a date in Retry-After is taken for none."""
    said = answer.headers.get("retry-after", "")
    return max(0.05, float(said)) if said.replace(".", "", 1).isdecimal() else _AGAIN_S


def _json(answer: httpx.Response) -> dict[str, Any]:
    """The answer's object; a text that is none is the agent's output as it stands."""
    try:
        value = answer.json()
    except ValueError:
        return {"output": answer.text} if answer.is_success else {}
    return value if isinstance(value, dict) else {"output": value}
