"""What the policy server's tests share: a sink for what is recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.otlp_sink import OtlpSink


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as listening:
        yield listening


@pytest.fixture
def sink_url(sink: OtlpSink) -> str:
    return sink.url
