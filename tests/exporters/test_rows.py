"""Rows in columns of JSON: each value is the text that `to_text` makes of it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_exporters.rows import JSON, Packing, to_text


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.none() | st.integers(), max_size=4))
def test_a_message_is_the_same_json_however_it_is_put_together(message: dict[str, Any]) -> None:
    packed = Packing(pa.schema([pa.field("message", JSON)]), as_lines=False).pack([{"message": message}])
    assert packed["message"].cast(pa.string()).to_pylist() == [to_text(message)]
