"""Where the collector is and how to show a key there, as the variables of the OTLP exporter say."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from leyden_instrumentation import settings


@dataclass(frozen=True, slots=True)
class Address:
    """base: the collector's URL; traces: where spans are posted. Neither holds a user or password: headers do."""

    base: str
    traces: str
    headers: Mapping[str, str]

    @property
    def parts(self) -> SplitResult:
        """The base URL's parts."""
        return urlsplit(self.base)


def of(env: Mapping[str, str]) -> Address:
    """The address that the environment names, by default this machine's collector."""
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or settings.DEFAULT_ENDPOINT
    traces = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    full = traces or f"{base.rstrip('/')}/v1/traces"
    base = traces.removesuffix("/v1/traces") if traces else base
    if "://" not in full:
        base, full = f"http://{base}", f"http://{full}"
    return _without_user(base, full, _headers(env))


def api(env: Mapping[str, str]) -> Address:
    """Where the collector's API is: `LEYDEN_API_URL`, or where spans go."""
    url = env.get(settings.API_URL)
    return _without_user(url, url, _headers(env)) if url else of(env)


def _without_user(base: str, full: str, headers: dict[str, str]) -> Address:
    parts = urlsplit(base)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        named, bare = f"//{parts.netloc}", f"//{parts.netloc.rpartition('@')[2]}"
        base, full = base.replace(named, bare, 1), full.replace(named, bare, 1)
    return Address(base.rstrip("/"), full, headers)


def _headers(env: Mapping[str, str]) -> dict[str, str]:
    given = env.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or env.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    pairs = (pair.partition("=") for pair in given.split(",") if "=" in pair)
    return {unquote(name).strip().lower(): unquote(value).strip() for name, _, value in pairs}
