"""Processors change and drop what they are told to, wherever it stands, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from leyden_collector.processors import Pipeline, Processor
from leyden_collector.processors.config import make
from leyden_collector.processors.sampling import Sample, randomness
from leyden_collector.settings import Settings, SettingsInvalid
from leyden_store.errors import LeydenError
from leyden_store.otlp import decode_traces, encode_traces
from leyden_store.spans import AttributeValue, Event, Link, Span
from tests.support.otlp_making import any_span, by_id, request_of
from tests.support.otlp_making import make as make_span

SECRETS = {
    "openai": "sk-proj-Ab12Cd34Ef56Gh78Ij90Kl12Mn34",
    "anthropic": "sk-ant-api03-Zx98Cv76Bn54Mq32Lk10Pp",
    "google": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "hugging face": "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "groq": "gsk_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "github": "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "slack": "xoxb-123456789012-abcdefGHIJKL",
    "aws id": "AKIAIOSFODNN7EXAMPLE",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
    "email": "jane.doe+x@mail.example.org",
    "card": "4111 1111 1111 1111",
    "card with dashes": "3782-822463-10005",
}
"""Made up, in the form of real ones."""


def configured(*tables: dict[str, Any]) -> Pipeline:
    return Pipeline(make(Settings.load(given={"processors": list(tables)}).processors))


def redacting(*builtin: str, **more: Any) -> Pipeline:
    return configured({"type": "redact", "builtin": list(builtin or ("keys", "emails", "cards")), **more})


def through(pipeline: Pipeline, spans: Sequence[Span]) -> list[Span]:
    return decode_traces(pipeline.traces(encode_traces(spans)).body)


def attribute(pipeline: Pipeline, value: AttributeValue, key: str = "k") -> AttributeValue:
    (span,) = through(pipeline, [make_span(1, attributes={key: value})])
    return span.attributes[key]


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_is_replaced_and_its_neighbours_stay(secret: str) -> None:
    redacted = str(attribute(redacting(), f"before {secret}, after"))
    assert redacted.startswith("before [redacted:")
    assert redacted.endswith("], after")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abcdef123456ghi", "Authorization: Bearer [redacted:key]"),
        ("Authorization: Bearer short-one", "Authorization: Bearer [redacted:key]"),
        ("a key sk-test-abcdefghijklmnopqrst", "a key [redacted:key]"),
        ('{"authorization": "Basic dXNlcjpwYXNz"}', '{"authorization": "Basic [redacted:key]"}'),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key = [redacted:key]",
        ),
        ("api_key=0123456789abcdef0123", "api_key=[redacted:key]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/=\nabc\n-----END RSA PRIVATE KEY-----\nrest",
            "[redacted:private-key]\nrest",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow", "[redacted:private-key]"),
    ],
)
def test_a_secret_known_by_what_stands_before_it_is_replaced(text: str, redacted: str) -> None:
    assert attribute(redacting(), text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "a risk-assessment-of-something-very-long",
        "sk-learn-pipelines-and-estimators",
        "the bearer of this letter",
        "4111 1111 1111 1112",  # the Luhn sum is wrong
        "1790000000000000000",  # a time in nanoseconds
        "550e8400-e29b-41d4-a716-446655440000",
        "user@localhost and a @mention",
        "api_key is missing",
        "token ids 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert attribute(redacting(), text) == text


SECRET = SECRETS["openai"]


def everywhere(secret: str) -> list[Span]:
    """The secret in every place a span has."""
    inside = json.dumps({"args": json.dumps({"deep": [f"é {secret}"], secret: 1})})
    hidden = '["' + "".join(f"\\u{ord(c):04x}" if n % 3 == 0 else c for n, c in enumerate(secret)) + '"]'
    assert secret not in hidden
    assert json.loads(hidden) == [secret]
    attributes: dict[str, AttributeValue] = {
        "plain": secret,
        "array": ["a", f"x {secret}", [secret]],
        "kvlist": {"a": {"b": [secret]}, secret: "key"},
        "json": inside,
        "escaped": hidden,
        "bytes": secret.encode(),
        f"key {secret}": 1,
        "leyden.prompt_token_ids": [1, 2, 3],
    }
    return [
        make_span(
            1,
            name=f"GET {secret}",
            trace_state=f"a={secret}",
            status="Error",
            status_message=f"failed: {secret}",
            attributes=attributes,
            events=(Event(1, f"e {secret}", attributes),),
            links=(Link("ab" * 16, "cd" * 8, f"b={secret}", attributes),),
            resource={"service.name": "s", "host": secret},
            scope_name=f"scope {secret}",
            scope_version=secret,
        )
    ]


@pytest.mark.parametrize("secret", [SECRET, SECRETS["email"], SECRETS["card"]])
def test_redaction_reaches_every_place_of_a_span(secret: str) -> None:
    body = redacting().traces(encode_traces(everywhere(secret))).body
    assert secret.encode() not in body
    assert "redacted" in repr(decode_traces(body))
    assert not _anywhere(decode_traces(body), secret)


def _anywhere(value: object, secret: str) -> bool:
    """Whether the secret is found with every JSON in texts parsed."""
    text = repr(value)
    for _ in range(4):
        if secret in text or secret in text.encode().decode("unicode_escape", errors="ignore"):
            return True
        text = text.replace("\\\\", "\\")
    return False


def test_json_stays_json_and_the_rest_of_it_the_same() -> None:
    value = json.dumps([{"role": "user", "content": "mail\njane@example.org", "n": 4111111111111111, "x": 1.5}])
    assert json.loads(str(attribute(redacting(), value))) == [
        {"role": "user", "content": "mail\n[redacted:email]", "n": "[redacted:card]", "x": 1.5}
    ]


def test_a_card_that_is_a_number_becomes_a_text() -> None:
    assert attribute(redacting(), 4111111111111111) == "[redacted:card]"
    assert attribute(redacting(), 4111111111111112) == 4111111111111112


def test_a_captured_header_goes_whole() -> None:
    key = "http.request.header.authorization"
    assert attribute(redacting("keys"), ["short"], key) == "[redacted:key]"
    assert attribute(redacting("emails"), ["short"], key) == ["short"]


def test_a_span_that_was_redacted_loses_the_token_ids_that_spell_the_secret() -> None:
    said = {"output.value": json.dumps({"choices": [{"text": "hi", "token_ids": [5], "logprobs": {"tokens": ["hi"]}}]})}
    clean = make_span(1, prompt_token_ids=[1], response_token_ids=[2], response_logprobs=[-0.5], attributes=said)
    spoken = make_span(2, prompt_token_ids=[1], response_token_ids=[2], attributes={**said, "k": SECRET})
    kept, lost = through(redacting(), [clean, spoken])
    assert (kept.prompt_token_ids, kept.attributes) == ([1], said)
    assert (lost.prompt_token_ids, lost.response_token_ids) == (None, None)
    assert json.loads(str(lost.attributes["output.value"])) == {"choices": [{"text": "hi"}]}
    packed = make_span(3, attributes={"leyden.prompt_token_ids.packed": "AQAA", "k": SECRET})
    assert b"packed" not in redacting().traces(encode_traces([packed])).body


def test_logs_are_redacted() -> None:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="host").value.string_value = SECRET
    record = group.scope_logs.add().log_records.add(event_name=f"gen_ai.{SECRET}", severity_text=SECRET)
    record.body.kvlist_value.values.add(key="content").value.string_value = json.dumps({"a": SECRET})
    record.attributes.add(key="k").value.array_value.values.add().string_value = SECRET
    assert SECRET.encode() not in redacting().logs(request.SerializeToString()).body


def test_patterns_of_ones_own_replace_their_group() -> None:
    pipeline = configured(
        {"type": "redact", "patterns": {"ticket": r"ticket (?P<secret>\d+)"}, "replacement": "<{kind}>"}
    )
    assert attribute(pipeline, "ticket 77 is open") == "ticket <ticket> is open"


@given(st.integers(0, 10**9))
@settings(max_examples=40, deadline=None)
def test_what_holds_no_secret_is_not_touched(seed: int) -> None:
    random = Random(seed)
    body = encode_traces([any_span(random) for _ in range(3)])
    spans = decode_traces(body)
    assert by_id(decode_traces(redacting().traces(body).body)) == by_id(spans)
    pipeline = configured({"type": "redact", "patterns": {"x": "no such text"}})  # without a look for marks first
    assert by_id(decode_traces(pipeline.traces(body).body)) == by_id(spans)


@given(st.text(max_size=30), st.sampled_from(sorted(SECRETS)), st.text(max_size=30), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_look_for_marks_misses_no_secret(before: str, kind: str, after: str, in_json: bool) -> None:
    secret = SECRETS[kind]
    text = f"{before} {secret} {after}".encode(errors="ignore").decode()
    value = json.dumps({"a": text}) if in_json else text
    assert secret not in str(attribute(redacting(), value)) or secret in before + after


def test_spans_are_dropped_by_attribute_resource_name_and_status() -> None:
    spans = [
        make_span(1, name="GET /health"),
        make_span(2, attributes={"http.route": "/metrics", "n": 7}),
        make_span(3, attributes={"debug": True}),
        make_span(4, status="Error"),
        make_span(5, resource={"service.name": "noisy"}),
        make_span(6),
    ]
    pipeline = configured(
        {"type": "drop", "rule": "health", "when": [{"field": "name", "equals": "GET /health"}]},
        {
            "type": "drop",
            "rule": "metrics",
            "when": [{"field": "span.http.route", "matches": "^/met"}, {"field": "span.n", "equals": 7}],
        },
        {"type": "drop", "when": [{"field": "span.debug", "equals": True}]},
        {"type": "drop", "when": [{"field": "status", "equals": "error"}]},
        {"type": "drop", "rule": "noisy", "when": [{"field": "resource.service.name", "equals": "noisy"}]},
    )
    assert [span.name for span in through(pipeline, spans)] == ["span 6"]
    assert pipeline.dropped == {("traces", rule): 1 for rule in ("health", "metrics", "drop", "drop_2", "noisy")}


def test_keep_keeps_what_meets_its_conditions_alone() -> None:
    pipeline = configured({"type": "keep", "when": [{"field": "span.gen_ai.operation.name", "exists": True}]})
    spans = [make_span(1), make_span(2, attributes={"gen_ai.operation.name": "chat"})]
    assert [span.name for span in through(pipeline, spans)] == ["span 2"]
    assert pipeline.traces(encode_traces([make_span(1)])).body == b""


def test_truncate_cuts_texts_and_leaves_json_json() -> None:
    pipeline = configured({"type": "truncate", "attributes": ["big*"], "max_chars": 5})
    assert attribute(pipeline, "abcdefgh", "big") == "abcde… [3 more]"
    assert attribute(pipeline, "abcdefgh", "other") == "abcdefgh"
    assert json.loads(str(attribute(pipeline, json.dumps([{"a": "abcdefgh"}]), "big.json"))) == [
        {"a": "abcde… [3 more]"}
    ]
    assert attribute(pipeline, ["abcdefgh", 1], "big") == ["abcde… [3 more]", 1]


def test_a_hash_is_keyed_and_the_same_for_the_same_value(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    one = configured({"type": "hash", "attributes": ["user.*"], "key": "0123456789abcdef"})
    same = configured({"type": "hash", "attributes": ["user.*"], "key_file": str(tmp_path / "key")})
    other = configured({"type": "hash", "attributes": ["user.*"], "key": "another key, of another place"})
    hashed = str(attribute(one, "jane", "user.id"))
    assert hashed.startswith("hmac:")
    assert len(hashed) == 37
    assert attribute(same, "jane", "user.id") == hashed
    assert attribute(other, "jane", "user.id") != hashed
    assert attribute(one, 7, "user.id") == attribute(one, 7, "user.id") != attribute(one, "7", "user.id")


def test_a_hash_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEYDEN_HASH_KEY", raising=False)
    with pytest.raises(LeydenError, match="LEYDEN_HASH_KEY"):
        configured({"type": "hash", "attributes": ["user.id"]})


def test_sampling_keeps_whole_traces_and_about_the_share() -> None:
    random = Random(7)
    spans = [make_span(n, trace=random.getrandbits(128)) for n in range(2000)]
    pipeline = configured({"type": "sample", "probability": 0.25})
    kept = through(pipeline, spans)
    assert 400 < len(kept) < 600
    assert all(span.trace_state == "ot=th:c" for span in kept)
    assert {span.trace_id for span in through(pipeline, spans)} == {span.trace_id for span in kept}
    # Who was sampled at a half is among them, and the stricter threshold stays.
    half = through(configured({"type": "sample", "probability": 0.5}), spans)
    assert {span.trace_id for span in kept} <= {span.trace_id for span in half}
    assert [s.trace_state for s in through(configured({"type": "sample", "probability": 0.5}), kept)] == [
        "ot=th:c"
    ] * len(kept)


def test_sampling_uses_the_randomness_that_the_tracestate_gives() -> None:
    assert randomness(bytes(16), "x=1,ot=rv:ffffffffffffff;p:8") == (1 << 56) - 1
    sample = Sample(0.01)
    (span,) = request_of([make_span(1, trace_state="x=1,ot=rv:ffffffffffffff")]).resource_spans[0].scope_spans[0].spans
    assert sample.span(span, None)  # type: ignore[arg-type]
    assert span.trace_state == "ot=rv:ffffffffffffff;th:fd70a3d70a3d71,x=1"


def test_processors_run_in_the_order_they_are_written() -> None:
    drop = {"type": "drop", "when": [{"field": "span.k", "matches": "redacted"}]}
    redact = {"type": "redact", "builtin": ["emails"]}
    span = [make_span(1, attributes={"k": "jane@example.org"})]
    assert len(through(configured(drop, redact), span)) == 1
    assert through(configured(redact, drop), span) == []


class _Failing(Processor):
    """A plug-in with a fault."""

    rule = "failing"

    def span(self, span: Any, resource: Any) -> bool:
        if span.name == "span 2":
            raise KeyError("oh")
        return True


class _Adding(Processor):
    """A plug-in that brings in a text."""

    def span(self, span: Any, resource: Any) -> bool:
        span.attributes.add(key="added").value.string_value = SECRETS["email"]
        return True


def test_what_a_plug_in_brings_in_is_redacted_after_it() -> None:
    pipeline = Pipeline([_Adding(), *redacting("emails").processors])
    (span,) = through(pipeline, [make_span(1)])
    assert span.attributes == {"added": "[redacted:email]"}


def test_what_a_processor_fails_on_is_rejected_and_never_stored() -> None:
    pipeline = Pipeline([_Failing()])
    processed = pipeline.traces(encode_traces([make_span(1), make_span(2), make_span(3)]))
    assert [span.name for span in decode_traces(processed.body)] == ["span 1", "span 3"]
    assert (processed.rejected, processed.reason) == (1, "processor failing failed: KeyError")
    assert pipeline.failed == {("traces", "failing"): 1}


def test_a_hook_that_is_not_installed_says_so() -> None:
    with pytest.raises(LeydenError, match="no processor 'mine'"):
        configured({"type": "hook", "name": "mine"})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("http_prot = 1", "no setting 'http_prot'; did you mean http_port?"),
        ("[spool]\nmax_byte = 1", "no setting 'spool.max_byte'; did you mean max_bytes?"),
        (
            '[[processors]]\ntype = "redact"\nbultin = ["keys"]',
            "no setting 'processors.0.bultin'; did you mean builtin?",
        ),
        ('[[processors]]\ntype = "redact"\npatterns = { a = "(" }', "is no regular expression"),
        ('[[processors]]\ntype = "drop"\nwhen = [{ feild = "name", equals = "x" }]', "did you mean field?"),
        ("[tail]\nsampel = 1", "did you mean sample?"),
        ("http_port = 99999", "http_port: Input should be less than or equal to 65535"),
        ("http_port = ", "is no TOML"),
    ],
)
def test_a_fault_in_the_config_file_is_one_clear_line(tmp_path: Path, document: str, said: str) -> None:
    (tmp_path / "leyden.toml").write_text(document)
    with pytest.raises(SettingsInvalid) as caught:
        Settings.load(tmp_path / "leyden.toml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_environment_is_over_the_file_and_options_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leyden.toml").write_text('http_port = 1\nhost = "h"\n[spool]\nmax_bytes = 1\nsegment_bytes = 2')
    monkeypatch.setenv("LEYDEN_SPOOL__MAX_BYTES", "3")
    monkeypatch.setenv("LEYDEN_HTTP_PORT", "4")
    monkeypatch.setenv("LEYDEN_CONFIG", str(tmp_path / "leyden.toml"))
    loaded = Settings.load(given={"http_port": 5})
    assert (loaded.http_port, loaded.host, loaded.spool.max_bytes, loaded.spool.segment_bytes) == (5, "h", 3, 2)


def test_a_plug_in_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_processors.py").write_text(
        "from leyden_collector.processors import Processor\n"
        "class Mine(Processor):\n"
        "    def __init__(self, limit):\n"
        "        super().__init__()\n"
        "        self.limit = limit\n"
        "    def span(self, span, resource):\n"
        "        return len(span.attributes) <= self.limit\n"
    )
    info = tmp_path / "my_processors-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-processors\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[leyden.processors]\nmine = my_processors:Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    pipeline = configured({"type": "hook", "name": "mine", "settings": {"limit": 1}})
    spans = [make_span(1, attributes={"a": 1}), make_span(2, attributes={"a": 1, "b": 2})]
    assert [span.name for span in through(pipeline, spans)] == ["span 1"]
    assert pipeline.dropped == {("traces", "mine"): 1}
    with pytest.raises(LeydenError, match="cannot be made: TypeError"):
        configured({"type": "hook", "name": "mine"})


DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_file_loads_and_has_every_setting(tmp_path: Path) -> None:
    (documented,) = re.findall(r"```toml\n(.*?)```", (DOCS / "configuration.md").read_text(), re.DOTALL)
    (tmp_path / "as-is.toml").write_text(documented)
    assert Settings.load(tmp_path / "as-is.toml").model_dump() == Settings.load().model_dump()
    everything = re.sub(r"(?m)^# (?=\[|\w+ = )", "", documented)
    (tmp_path / "all.toml").write_text(everything)
    Settings.load(tmp_path / "all.toml")
    for name, field in Settings.model_fields.items():
        assert re.search(rf"(?m)^\[?{name}\b", everything), name
        for inner in getattr(field.annotation, "model_fields", {}) or ():
            assert re.search(rf"(?m)^{inner} = ", everything), f"{name}.{inner}"


def test_the_documented_processors_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEYDEN_HASH_KEY", "a key of sixteen")
    documented = re.findall(r"```toml\n(.*?)```", (DOCS / "processors.md").read_text(), re.DOTALL)[0]
    (tmp_path / "leyden.toml").write_text(documented)
    loaded = Settings.load(tmp_path / "leyden.toml")
    made = make([table for table in loaded.processors if table.type != "hook"])
    assert [processor.rule for processor in made] == ["health checks", "redact", "hash", "truncate", "sample"]
