"""API keys: who may ask a collector, for what, and about which project. Only their hashes are stored.

A key is `leyden_{id}_{secret}` with 256 random bits of secret, so one SHA-256 is a hash that cannot be searched; slow
hashes are for passwords that people think up.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from leyden_store.connection import Connection
from leyden_store.errors import LeydenError


class KeyNotFound(LeydenError):
    """No key has that id."""


class KeyInvalid(LeydenError):
    """A key cannot be made like that."""

    exit_code = 2


class Scope(StrEnum):
    """What a key is good for; ADMIN includes the others, and none of the others includes another."""

    INGEST = "ingest"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored. project: "" is every project; sha256: of the whole key, in hex."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    project: str
    sha256: str
    created_at: datetime
    revoked_at: datetime | None = None

    def is_of(self, secret: str) -> bool:
        """Whether `secret` is this key, compared in constant time, and it was not revoked."""
        return hmac.compare_digest(digest(secret), self.sha256) and self.revoked_at is None

    def to_json(self) -> dict[str, Any]:
        """What `leyden keys list --json` prints: everything but the hash."""
        return {
            "key_id": self.key_id,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "project": self.project,
            "created_at": self.created_at.isoformat(),
            "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None,
        }


class Keys:
    """The keys of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, name: str, scopes: Iterable[Scope], *, project: str = "") -> tuple[Key, str]:
        """Make a key: as stored, and the key itself, which nobody can ask for again.

        Raises KeyInvalid without a name or a scope, and for a key to administer only one project.
        """
        granted = frozenset(scopes)
        if not name.strip():
            raise KeyInvalid("a key needs a name that says who or what has it")
        if not granted:
            raise KeyInvalid(f"a key needs a scope: {', '.join(Scope)}")
        if project and Scope.ADMIN in granted:
            raise KeyInvalid("an admin key is good for every project; leave the project out, or the scope admin")
        key_id = secrets.token_hex(5)
        secret = f"leyden_{key_id}_{secrets.token_urlsafe(32)}"
        key = Key(key_id, name.strip(), granted, project, digest(secret), _now())
        self._write(key)
        return key, secret

    def all(self) -> list[Key]:
        """Every key, revoked ones too, oldest first."""
        rows = self._connection.rows("SELECT * FROM api_keys FINAL ORDER BY CreatedAt, KeyId")
        return [
            Key(
                key_id=row["KeyId"],
                name=row["Name"],
                scopes=frozenset(map(Scope, row["Scopes"])),
                project=row["Project"],
                sha256=row["Sha256"],
                created_at=row["CreatedAt"].replace(tzinfo=UTC),
                revoked_at=row["RevokedAt"].replace(tzinfo=UTC) if row["RevokedAt"] else None,
            )
            for row in rows
        ]

    def revoke(self, key_id: str) -> Key:
        """End a key; collectors learn it within seconds. Revoking again changes nothing. Raises KeyNotFound."""
        key = next((key for key in self.all() if key.key_id == key_id), None)
        if key is None:
            raise KeyNotFound(f"no key has the id {key_id!r}; list them with: leyden keys list")
        if key.revoked_at is None:
            key = replace(key, revoked_at=_now())
            self._write(key)
        return key

    def _write(self, key: Key) -> None:
        self._connection.insert(
            "api_keys",
            [
                {
                    "KeyId": key.key_id,
                    "Name": key.name,
                    "Sha256": key.sha256,
                    "Scopes": sorted(key.scopes),
                    "Project": key.project,
                    "CreatedAt": key.created_at,
                    "RevokedAt": key.revoked_at,
                    "UpdatedAt": datetime.now(UTC),
                }
            ],
        )


def _now() -> datetime:
    """In the milliseconds that are stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def id_of(secret: str) -> str:
    """The id in a key; "" when it is none of ours."""
    found = re.match(r"leyden_([0-9a-f]{10})_", secret)
    return found[1] if found else ""


def digest(secret: str) -> str:
    """SHA-256 of a key, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()
