"""What replies of both kinds have in common: their head, their usage, and server-sent events."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # an upstream is fronted without torch
    from leyden_trainers.policy_server.sampling import Response, Sampled

Chunk = dict[str, Any]
DONE = b"data: [DONE]\n\n"


class Form(Protocol):
    """How a kind of request is answered.

    prefix, whole, chunk: of the reply's id, and its `object` when whole and in pieces
    opening: what a choice's stream begins with, before its first token, but for the index
    """

    prefix: str
    whole: str
    chunk: str
    opening: Chunk | None

    def choice(self, index: int, response: Response) -> Chunk:
        """One choice of a whole reply."""
        ...

    def pieces(self, index: int, sampled: Sampled) -> list[Chunk]:
        """What there is to say of a choice once this token has come, its end included."""
        ...


def head(form: Form, model: str, policy_version: str, *, streamed: bool) -> Chunk:
    """What a reply, or each of its chunks, begins with."""
    return {
        "id": f"{form.prefix}-{uuid.uuid4().hex}",
        "object": form.chunk if streamed else form.whole,
        "created": int(time.time()),
        "model": model,
        "policy_version": policy_version,
    }


def usage(prompts: Sequence[Sequence[int]], sampled: int) -> dict[str, int]:
    """How many tokens were read and sampled."""
    read = sum(map(len, prompts))
    return {"prompt_tokens": read, "completion_tokens": sampled, "total_tokens": read + sampled}


def event(data: Any) -> bytes:
    """A server-sent event of JSON."""
    return b"data: " + written(data) + b"\n\n"


def written(data: Any) -> bytes:
    """A value as JSON."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 cannot write
        return json.dumps(data).encode()
