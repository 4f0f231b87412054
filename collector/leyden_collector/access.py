"""Who may ask a collector for what: by the collector's own token, by API keys, or on a loopback address by being there.

One rule for every protocol: `Access.authorize(headers)` gives a `Grant`, and `grant.require(scope)` is asked before
anything is taken or shown.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from leyden_store.errors import LeydenError
from leyden_store.keys import Key, Keys, Scope, digest, id_of

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

KEYS_FRESH_S = 5.0
"""How long a revoked key may still work: keys are read from the store this often, not for every request."""

WRONG_TRIES, WRONG_WINDOW_S = 10, 60.0
_MOST_PEERS = 10_000

_EVERYDAY = frozenset({Scope.INGEST, Scope.READ, Scope.WRITE})

HOLDER = "holder"
"""The key id of the collector's own token."""


class AccessDenied(LeydenError):
    """The caller may not do that. status: the HTTP status that says why."""

    status = 401


class KeyUnknown(AccessDenied):
    """No key was given, or one that is none."""


class ScopeMissing(AccessDenied):
    """The key is good, but not for this."""

    status = 403


class TooManyTries(AccessDenied):
    """Too many wrong keys came from this address. They are answered again after a while."""

    status = 429


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller may do. project: "" is every project; key_id: "" for a caller without a key."""

    scopes: frozenset[Scope]
    project: str = ""
    key_id: str = ""
    name: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether the grant includes a scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise KeyUnknown or ScopeMissing unless the grant includes the scope."""
        if self.may(scope):
            return
        if not self.key_id:
            raise KeyUnknown(
                f"this needs a key with the scope {scope}: make one with `leyden keys create` and send it as "
                "`Authorization: Bearer KEY` (LEYDEN_TOKEN of `leyden up` is good for everything)"
            )
        raise ScopeMissing(
            f"the key {self.name!r} has the scopes {', '.join(sorted(self.scopes))}, and this needs {scope}"
        )


class Access:
    """The keys in force.

    token:       the collector's own, good for everything
    anonymous:   callers without a key send, read and write (a wrong key is then as good as none)
    open_ingest: callers without a key send, whatever else needs one
    """

    def __init__(
        self,
        token: str,
        *,
        anonymous: bool,
        open_ingest: bool = False,
        keys: Keys | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        scopes = _EVERYDAY if anonymous else {Scope.INGEST} if open_ingest else ()
        self.anonymous = Grant(frozenset(scopes))
        self._holder = (digest(token), Grant(frozenset({Scope.ADMIN}), key_id=HOLDER, name=HOLDER))
        self._keys = keys
        self._known: dict[str, Key] = {}
        self._read_at: float | None = None
        self._now = now
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()

    @property
    def enforced(self) -> bool:
        """Whether reading needs a key: then it is written to the audit log."""
        return not self.anonymous.may(Scope.READ)

    def authorize(
        self, headers: Mapping[str, str], *, parameters: Mapping[str, str] | None = None, peer: str = ""
    ) -> Grant:
        """What the sender of these headers (or of gRPC metadata; names in lower case) may do. May read the store.

        peer: the sender's address, for counting wrong keys. Raises KeyUnknown and TooManyTries, never where callers
        without a key are welcome.
        """
        secret = credential(headers, parameters or {})
        if not secret:
            return self.anonymous
        hashed = digest(secret)
        with self._lock:
            tired = self._tired(peer) and (peer, hashed) not in self._right
        # Who tries keys learns nothing more until the window has passed, be the next one right or wrong.
        if tired and self.enforced:
            raise TooManyTries(f"too many wrong keys came from here; try again in {WRONG_WINDOW_S:.0f} s")
        grant = self._grant(secret, hashed)
        with self._lock:
            if grant is not None:
                _remember(self._right, (peer, hashed), None)
            elif self.enforced:
                _remember(self._wrong, peer, [*self._wrong.get(peer, []), self._now()][-WRONG_TRIES:])
        if grant is not None:
            return grant
        if not self.enforced:
            return self.anonymous
        raise KeyUnknown("the key is unknown or revoked; list keys with: leyden keys list")

    @property
    def fresh(self) -> bool:
        """Whether `authorize` would answer without reading the store, so that it may be asked on an event loop."""
        return self._keys is None or (self._read_at is not None and self._now() - self._read_at < KEYS_FRESH_S)

    def forget(self) -> None:
        """Read the keys again at the next question: they were changed here."""
        self._read_at = None

    def _grant(self, secret: str, hashed: str) -> Grant | None:
        if hmac.compare_digest(hashed, self._holder[0]):
            return self._holder[1]
        key = self._current().get(id_of(secret))
        if key is None or not key.is_of(secret):
            return None
        return Grant(key.scopes, key.project, key.key_id, key.name)

    def _current(self) -> dict[str, Key]:
        """The keys, at most KEYS_FRESH_S old. When the store does not answer, those it last had."""
        if self.fresh or self._keys is None:
            return self._known
        try:
            self._known = {key.key_id: key for key in self._keys.all()}
        except LeydenError as error:
            if self._read_at is None:
                raise
            log.warning("the keys cannot be read again, those read before stay in force: %s", error)
        self._read_at = self._now()
        return self._known

    def _tired(self, peer: str) -> bool:
        tries = self._wrong.get(peer, [])
        return len(tries) >= WRONG_TRIES and self._now() - tries[0] < WRONG_WINDOW_S


def credential(headers: Mapping[str, str], parameters: Mapping[str, str]) -> str:
    """The key in a request, in any of the ways of OTLP exporters, ClickHouse's clients and REST; "" without one."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return given.strip()
        case "basic":
            try:
                password = b64decode(given).decode().partition(":")[2]
            except (Base64Error, UnicodeDecodeError):
                return given
            if password:
                return password
    return headers.get("x-api-key") or headers.get("x-clickhouse-key") or parameters.get("password") or ""


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    """Keep the newest, so that callers cannot make it grow without end."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _MOST_PEERS:
        memory.popitem(last=False)
