"""Row policies: users of a ClickHouse server who see one project, whatever client they come with.

Leyden's own filter (`additional_table_filters`) holds for what passes through Leyden. A row policy is the server's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

from leyden_store import dsn
from leyden_store.connection import Connection
from leyden_store.errors import StoreError
from leyden_store.guard import quoted
from leyden_store.tables import PROJECT_TABLES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*")


def statements(database: str, project: str, user: str) -> list[str]:
    """SQL that lets a user read the tables whose rows name a project, and of them only the project's rows.

    What the user was granted elsewhere stays granted. Raises StoreError for a name that is none.
    """
    made = []
    for table in _tables(user):
        on = f"`{database}`.`{table}`"
        made.append(
            f"CREATE ROW POLICY OR REPLACE `leyden_{user}` ON {on} USING Project = {quoted(project)} TO `{user}`"
        )
        made.append(f"GRANT SELECT ON {on} TO `{user}`")
    return made


def users_xml(database: str, project: str, user: str) -> str:
    """The same for a server whose users stand in files: a `users.d` file, to which the user's password is to be added.

    Raises StoreError.
    """
    tables = _tables(user)
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
    for statement in statements(connection.database, project, user):
        connection.ddl(statement)
    return _tables(user)


def _tables(user: str) -> list[str]:
    if not _NAME.fullmatch(user):
        raise StoreError(f"{user!r} is no name of a ClickHouse user; it has letters, digits and _ . @ -")
    return sorted(PROJECT_TABLES)
