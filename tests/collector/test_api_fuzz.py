"""Whatever is asked of the API, in and out of its schema, is answered: never with a 500, and as the schema says."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from leyden_store.otlp import encode_traces
from tests.support.collector import Collector
from tests.support.otlp_making import chat, make

SETTINGS = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


def test_nothing_that_is_asked_breaks_it(collector: Collector) -> None:
    collector.send(encode_traces([make(1), chat(2, parent=1)]))
    collector.flush()
    schema = schemathesis.openapi.from_url(f"{collector.url}/openapi.json").include(path_regex="^/api/(?!flush)")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 18
    for operation in operations:
        for mode in GenerationMode:

            @SETTINGS
            @given(case=operation.as_strategy(generation_mode=mode))
            def answered(case: schemathesis.Case) -> None:
                _hurry(case)
                case.call_and_validate(checks=CHECKS, timeout=30)

            with suppress(Unsatisfiable):  # an operation without parameters cannot be asked wrongly
                answered()


def _hurry(case: schemathesis.Case) -> None:
    """Some requests may wait for tasks, a minute if asked to; here for a moment."""
    asked: Any
    for asked in (case.query, case.body):
        if isinstance(asked, dict) and isinstance(wait := asked.get("wait_s"), int | float) and 0 < wait <= 60:
            asked["wait_s"] = 0.05
