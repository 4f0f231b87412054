"""Asking a server for token ids and logprobs, and only a server that takes the fields.

vLLM's names: `return_token_ids` and `logprobs` in the request, of the Responses API `enable_response_messages` and
OpenAI's own `include`; https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from leyden_instrumentation import settings

_FIELDS: dict[str, dict[str, Any]] = {
    "/chat/completions": {"return_token_ids": True, "logprobs": True},
    "/completions": {"return_token_ids": True, "logprobs": 1},
    "/responses": {"enable_response_messages": True, "include": ["message.output_text.logprobs"]},
}
_ASKED = (b'"return_token_ids"', b'"enable_response_messages"')
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


class AskingBody(dict[str, Any]):
    """A request body to which we added fields.

    added:    the names of those, which the reply is rid of again
    endpoint: what is learned of from the answer
    """

    added: frozenset[str] = frozenset()
    endpoint: str = ""


class Servers:
    """Which servers' endpoints took our fields, learned from their answers.

    A server that refuses the first request with them (400 or 422) gets it again without. If it then answers, it is not
    asked any more; if it refuses again, the fault was not ours. Once a server has taken them, its refusals are its own.
    The second try is one of the client's own retries: a client made with max_retries=0 sees the first refusal.
    """

    def __init__(self) -> None:
        self._accepting: set[str] = set()
        self._doubted: set[str] = set()
        self._refusing: set[str] = set()
        self._lock = threading.Lock()

    def wants(self, url: str) -> bool:
        return url not in self._refusing and url not in self._doubted

    def refused(self, url: str, *, asked: bool) -> bool:
        """The server refused a request. True if it is worth another try without our fields."""
        with self._lock:
            if asked and url not in self._accepting:
                self._doubted.add(url)
                return True
            self._doubted.discard(url)
            return False

    @property
    def in_doubt(self) -> bool:
        """Whether a request that goes without our fields may tell something."""
        return bool(self._doubted)

    def answered(self, url: str, *, asked: bool) -> None:
        if asked and url in self._accepting:
            return
        with self._lock:
            if asked:
                self._accepting.add(url)
            elif url in self._doubted:
                self._doubted.discard(url)
                self._refusing.add(url)


servers = Servers()
"""What this process has learned of the servers it talks to."""


def endpoint(base_url: str, path: str) -> str:
    """What is learned of: a server that takes the fields of chat may know none of the Responses API."""
    return base_url + _end(path)


@lru_cache(maxsize=1024)
def _end(path: str) -> str:
    return next((end for end in _FIELDS if path.endswith(end)), "")


@cache
def _mode() -> str:
    """What the environment of this process asks for."""
    return settings.token_ids_mode()


def asked_in(body: bytes) -> bool:
    """Whether a request's body asks for token ids."""
    return any(field in body for field in _ASKED)


def with_fields(path: str, host: str, base_url: str, body: Mapping[str, Any], extra: Any) -> AskingBody | None:
    """The body with our fields, or None where the server is not to be asked. Fields the program sets stay.

    host, base_url: the client's
    """
    end = _end(path)
    mode = _mode() if end else "off"
    if mode == "off" or (mode == "auto" and not is_private(host)):
        return None
    known_as = base_url + end
    if not servers.wants(known_as) or body.get("background"):
        return None
    own = extra if isinstance(extra, Mapping) else {}
    missing = {name: value for name, value in _FIELDS[end].items() if name not in body and name not in own}
    if not missing:
        return None
    asking = AskingBody({**body, **missing})
    asking.added, asking.endpoint = frozenset(missing), known_as
    return asking


@lru_cache(maxsize=1024)
def is_private(host: str) -> bool:
    """Whether a host name or address is on this machine or a private network: where hosted APIs are not."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name without a dot is localhost, a container or a service of the cluster.
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES) or ".svc." in host or host.endswith(".svc")
    return address.is_private or address.is_loopback or address.is_link_local
