"""Where a store is: the DSN that `--store` and `LEYDEN_STORE` give."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from leyden_store.errors import DsnInvalid

FORMS = "chdb:///path/to/folder, clickhouse://user:password@host:8123/database or clickhouses://… (TLS)"


@dataclass(frozen=True, slots=True)
class Embedded:
    """chDB in a folder, held by one process at a time."""

    path: Path


@dataclass(frozen=True, slots=True)
class Server:
    """A ClickHouse server over HTTP(S). cluster: the one it is a node of, "" for none."""

    host: str
    port: int
    database: str
    user: str
    password: str
    secure: bool
    cluster: str = ""


def parse(dsn: str | None = None) -> Embedded | Server:
    """Read a DSN; None means `LEYDEN_STORE`, and without that `./.leyden/store`.

    Raises DsnInvalid when the scheme is unknown, the port is no number, the host is missing, or anything follows the
    folder or the database.
    """
    dsn = dsn or os.environ.get("LEYDEN_STORE")
    if not dsn:
        return Embedded(Path(".leyden/store").absolute())
    try:
        parts = urlsplit(dsn)
    except ValueError as error:
        raise DsnInvalid(f"the store {dsn!r} is no DSN ({error}); write {FORMS}") from error
    cluster = _cluster(parts.query) if parts.scheme.startswith("clickhouse") else None
    if (parts.query and cluster is None) or parts.fragment:
        said = "has a ? or #, but takes no options (a server's ?cluster=NAME apart); in a name write %3F or %23"
        raise DsnInvalid(f"the store {_hidden(dsn)!r} {said}")
    if parts.scheme == "chdb":
        path = unquote(parts.netloc + parts.path)
        if not path or path == "/":
            raise DsnInvalid(f"the store {dsn!r} names no folder; write {FORMS}")
        return Embedded(Path(path).absolute())
    if parts.scheme in ("clickhouse", "clickhouses"):
        try:
            port = parts.port
        except ValueError as error:
            raise DsnInvalid(f"the store {_hidden(dsn)!r} has no usable port; write {FORMS}") from error
        if not parts.hostname:
            raise DsnInvalid(f"the store {_hidden(dsn)!r} names no host; write {FORMS}")
        if "/" in parts.path.strip("/"):
            raise DsnInvalid(f"the store {_hidden(dsn)!r} names more than one database; write {FORMS}")
        secure = parts.scheme == "clickhouses"
        return Server(
            host=parts.hostname,
            port=port or (8443 if secure else 8123),
            database=unquote(parts.path.strip("/")) or "default",
            user=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            secure=secure,
            cluster=cluster or os.environ.get("LEYDEN_CLUSTER", ""),
        )
    raise DsnInvalid(f"the store {_hidden(dsn)!r} is no DSN; write {FORMS}")


def _cluster(query: str) -> str | None:
    """The name in `cluster=NAME`; "" without options, None for any other."""
    if not query:
        return ""
    name, _, value = query.partition("=")
    return value if name == "cluster" and re.fullmatch(r"[A-Za-z_][\w-]*", value) else None


def _hidden(dsn: str) -> str:
    """The DSN without its password: errors end in logs."""
    parts = urlsplit(dsn)
    if parts.password is None:
        return dsn
    return dsn.replace(f":{parts.password}@", ":***@", 1)
