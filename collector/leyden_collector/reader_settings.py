"""What a reader of the gateway may set, and under which limits it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from leyden_store.connection import FINAL_BY_DAY
from leyden_store.errors import QueryRefused

LIMITS: Mapping[str, int] = {
    "max_execution_time": 60,
    "max_result_rows": 50_000_000,
    "max_memory_usage": 4_000_000_000,
}
"""A caller may lower them; seconds, rows, bytes."""

WHOLE_RESULT_BYTES = 128_000_000
"""The largest result in a format that cannot be sent in pieces, as the engine counts it."""

_FREE = re.compile(
    r"""output_format_(?!schema$)\w+ | date_time_(in|out)put_format | bool_(true|false)_representation
      | format_(csv_delimiter | csv_null_representation | tsv_null_representation | custom_\w+_delimiter)
      | (result|read|timeout)_overflow_mode | max_block_size | max_threads | session_timezone | join_use_nulls
      | group_by_use_nulls | union_default_mode | final | extremes | prefer_column_name_to_alias""",
    re.VERBOSE,
)
"""How results look and are reckoned. (`output_format_schema` writes a file, so it is not among them.)"""


def reader_settings(wanted: Mapping[str, str], filters: str) -> dict[str, str | int]:
    """All settings of a reader's handle, the last of which forbids any other. Raises QueryRefused.

    filters: the value of `additional_table_filters`
    """
    settings: dict[str, str | int] = {**LIMITS, **FINAL_BY_DAY}
    for name, value in wanted.items():
        if name in LIMITS:
            settings[name] = _lower(name, value)
        elif _FREE.fullmatch(name):
            settings[name] = value
        else:
            raise QueryRefused(f"Cannot modify '{name}' setting in readonly mode")
    return {**settings, "additional_table_filters": filters, "allow_introspection_functions": 0, "readonly": 1}


def _lower(name: str, value: str) -> int:
    """The caller's limit where it is one and is lower than ours; 0 means none, to ClickHouse."""
    try:
        asked = int(float(value))
    except (ValueError, OverflowError):
        raise QueryRefused(f"the setting {name} is a number, not {value!r}") from None
    return min(asked, LIMITS[name]) if asked > 0 else LIMITS[name]
