"""What the environment asks of the capture: every `LEYDEN_*` variable that the agent's process reads is named here."""

from __future__ import annotations

import os
from collections.abc import Mapping

ROLLOUT_ID = "LEYDEN_ROLLOUT_ID"
GROUP_ID = "LEYDEN_GROUP_ID"
ATTEMPT = "LEYDEN_ATTEMPT"
PROJECT = "LEYDEN_PROJECT"
POLICY_VERSION = "LEYDEN_POLICY_VERSION"

CAPTURE_CONTENT = "LEYDEN_CAPTURE_CONTENT"
"""`false` keeps every message, tool argument, tool result and token id out of the spans. Default `true`."""
TOKEN_IDS = "LEYDEN_TOKEN_IDS"  # noqa: S105
"""`auto` (default): ask servers on private addresses for token ids and logprobs; `on`: every server; `off`: none."""
TOKEN_ENCODING = "LEYDEN_TOKEN_ENCODING"  # noqa: S105
"""`packed` (default): token ids as compact text, which Leyden's store unpacks; `plain`: as lists, for other stores."""
REDACT = "LEYDEN_REDACT"
"""What becomes `[redacted]` before export: names of sets (email, phone, card, ip, iban) and regular expressions."""
REDACT_WITH = "LEYDEN_REDACT_WITH"
"""`package.module:function`, called with each attribute's name and value; what it returns is exported, None is not."""
ROOT_SPAN = "LEYDEN_ROOT_SPAN"
"""`false` opens no root span for the process: for servers that live long and answer many requests."""
PROMPTS = "LEYDEN_PROMPTS"
"""JSON, `{"name": {"version": …, "text": "…"}}`: texts that this process uses in place of the collector's prompts."""
API_URL = "LEYDEN_API_URL"
"""The collector's HTTP address, for prompts, where spans go elsewhere or by gRPC."""

GENAI_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""OpenTelemetry's own switch of its GenAI instrumentations: SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT or NO_CONTENT."""

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"

_OFF = frozenset({"false", "0", "no", "off"})


def enabled(name: str, env: Mapping[str, str] | None = None) -> bool:
    """Whether the switch `name` is on; every switch of ours is on unless it is set to false, 0, no or off."""
    return (os.environ if env is None else env).get(name, "").strip().lower() not in _OFF


def plain_token_ids(env: Mapping[str, str]) -> bool:
    """Whether token ids are to be written as lists."""
    return env.get(TOKEN_ENCODING, "").strip().lower() == "plain"


def token_ids_mode(env: Mapping[str, str] | None = None) -> str:
    """`auto`, `on` or `off`. Token ids spell the content, so without content `auto` means `off`."""
    mode = (os.environ if env is None else env).get(TOKEN_IDS, "").strip().lower()
    if mode in _OFF:
        return "off"
    if mode in {"on", "true", "1", "yes"}:
        return "on"
    return "auto" if enabled(CAPTURE_CONTENT, env) else "off"
