"""What is evaluated: a checkpoint served meanwhile, a model that somebody serves, or whatever agents ask anyway."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leyden_trainers.errors import EvaluationInvalid
from leyden_trainers.models import check_model
from leyden_trainers.online.asking import ask
from leyden_trainers.online.runner import Policy
from leyden_trainers.online.serving import OwnServer
from leyden_trainers.publishing import folder_hash

_SERVED = re.compile(r"(?P<base>https?://.+?/v1)(/(?P<name>.+))?")


@contextmanager
def served(model: str | None = None, checkpoint: Path | None = None) -> Iterator[Policy]:
    """The policy that agents are to be run under.

    model:      `URL/v1/NAME`, `URL/v1` for the first model that is served there, or a name alone, which is asked of the
                server that the environment names; None leaves agents to their own
    checkpoint: a folder, served by a policy server of ours; its version is its hash

    Raises EvaluationInvalid for both at once, ModelInvalid, ServerLost.
    """
    if checkpoint is not None:
        if model is not None:
            raise EvaluationInvalid("a checkpoint or a model is evaluated, not both at once")
        check_model(str(checkpoint))
        with tempfile.TemporaryDirectory() as weights:
            server = OwnServer(str(checkpoint), Path(weights) / "unused", version=folder_hash(checkpoint)[:16])
            try:
                yield server.as_given()
            finally:
                server.close()
        return
    yield policy_at(model or "")


def policy_at(model: str) -> Policy:
    """The policy that `URL/v1/NAME`, `URL/v1` or a name means. Raises ServerLost, EvaluationInvalid."""
    found = _SERVED.fullmatch(model)
    if found is None:
        if "://" in model:
            raise EvaluationInvalid(f"{model!r} is no model: write a name, or http://HOST:PORT/v1/NAME")
        return Policy("", model, "")
    name = found["name"]
    if name is None:
        listed = (ask(f"{found['base']}/models", timeout_s=30) or {}).get("data") or [{}]
        name = str(listed[0].get("id", ""))
    return Policy(found["base"], name, "")
