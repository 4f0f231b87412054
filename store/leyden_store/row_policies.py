"""Row policies: users of a ClickHouse server who see one project, whatever client they come with.

Leyden's own filter (`additional_table_filters`) holds for what passes through Leyden. A row policy is the server's. In
a cluster it is each node's, and of its part of a sharded table: a policy of the table over all shards filters nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

from leyden_store import dsn
from leyden_store.cluster import part_of, sharded_tables
from leyden_store.connection import Connection
from leyden_store.errors import StoreError
from leyden_store.guard import quoted
from leyden_store.tables import PROJECT_TABLES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*")


def statements(database: str, project: str, user: str, cluster: str = "") -> list[str]:
    """SQL that lets a user read the tables whose rows name a project, and of them only the project's rows.

    cluster: on every node of this one
    What the user was granted elsewhere stays granted. Raises StoreError for a name that is none.
    """
    made = []
    on_all = f" ON CLUSTER `{cluster}`" if cluster else ""
    for table in _tables(user, cluster):
        on = f"ON `{database}`.`{table}`"
        policy = f"CREATE ROW POLICY OR REPLACE `leyden_{user}`{on_all} {on}"
        made.append(f"{policy} USING Project = {quoted(project)} TO `{user}`")
        made.append(f"GRANT{on_all} SELECT {on} TO `{user}`")
    return made


def users_xml(database: str, project: str, user: str, cluster: str = "") -> str:
    """The same for servers whose users stand in files: a `users.d` file, to which the user's password is to be added.

    cluster: it goes to every node of this one
    Raises StoreError.
    """
    tables = _tables(user, cluster)
    condition = escape(f"Project = {quoted(project)}")
    filters = "\n".join(f"        <{table}><filter>{condition}</filter></{table}>" for table in tables)
    grants = "\n".join(f"        <query>GRANT SELECT ON {database}.{table}</query>" for table in tables)
    return f"""<clickhouse>
  <users>
    <{user}>
      <databases><{database}>
{filters}
      </{database}></databases>
      <grants>
{grants}
      </grants>
    </{user}>
  </users>
</clickhouse>
"""


def keep_to_project(connection: Connection, project: str, user: str) -> Sequence[str]:
    """Run `statements` on the store's server; the tables. Raises StoreError where there is no server."""
    if not isinstance(connection.target, dsn.Server):
        raise StoreError("an embedded store has no users of its own; give readers a key: leyden keys create --project")
    for statement in statements(connection.database, project, user, connection.cluster):
        connection.command(statement)
    return _tables(user, connection.cluster)


def _tables(user: str, cluster: str) -> list[str]:
    if not _NAME.fullmatch(user):
        raise StoreError(f"{user!r} is no name of a ClickHouse user; it has letters, digits and _ . @ -")
    parts = map(part_of, PROJECT_TABLES & sharded_tables()) if cluster else ()
    return sorted([*PROJECT_TABLES, *parts])
