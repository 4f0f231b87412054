"""What is to be hidden never leaves the process: matches of patterns, what a callable takes out, API keys always."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Status, StatusCode

from leyden_instrumentation import api_keys
from leyden_instrumentation.api_keys import ApiKeys
from leyden_instrumentation.redaction import PATTERNS, Redactor, from_environment, patterns
from tests.instrumentation.conftest import Run
from tests.support.otlp_sink import OtlpSink

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")
SECRET = "company-key-8f3e92"


def span(name: str = "chat", **attributes: Any) -> ReadableSpan:
    made = TRACER.start_span(name, attributes={k.replace("__", "."): v for k, v in attributes.items()})
    made.add_event("gen_ai.choice", {"content": attributes.get("content", "")})
    made.set_status(Status(StatusCode.ERROR, f"refused: {attributes.get('content', '')}"))
    made.end()
    assert isinstance(made, ReadableSpan)
    return made


def everything(one: ReadableSpan) -> str:
    return json.dumps(
        [one.name, dict(one.attributes or {}), [dict(e.attributes or {}) for e in one.events], one.status.description]
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("email", "ada.lovelace+x@example.co.uk"),
        ("phone", "+46 70 123 45 67"),
        ("card", "4111 1111 1111 1111"),
        ("ip", "192.168.1.20"),
        ("iban", "SE45 5000 0000 0583 9825 7466"),
    ],
)
def test_a_set_finds_what_it_is_named_for(name: str, text: str) -> None:
    hidden = Redactor([PATTERNS[name]], known=ApiKeys({})).text(f"write to {text}, please")
    assert hidden == "write to [redacted], please"
    assert Redactor([PATTERNS[name]], known=ApiKeys({})).text("17 * 23 is 391, at 12:30") == "17 * 23 is 391, at 12:30"


def test_every_text_of_a_span_is_looked_at_and_ids_that_spell_it_go() -> None:
    redactor = Redactor(["x-[0-9]+"], known=ApiKeys({}))
    given = span(
        "about x-1", content="x-22", list=["a", "x-3"], n=5, leyden__prompt_token_ids__packed="AAAA",
        leyden__response_logprobs=[0.5], leyden__rollout__id="r",
    )  # fmt: skip
    left = redactor.redacted(given)
    assert "x-" not in everything(left)
    assert left.attributes == {
        "content": "[redacted]", "list": ("a", "[redacted]"), "n": 5, "leyden.rollout.id": "r",
    }  # fmt: skip
    assert (left.context, left.start_time, left.end_time) == (given.context, given.start_time, given.end_time)


def test_what_hides_nothing_is_left_as_it_is() -> None:
    given = span(content="x-22", leyden__prompt_token_ids__packed="AAAA")
    assert Redactor(["absent"], known=ApiKeys({})).redacted(given) is given


def test_a_callable_has_the_last_word() -> None:
    def hide(name: str, value: Any) -> Any:
        return None if name == "gone" else value.upper() if isinstance(value, str) else value

    left = Redactor([], hide, ApiKeys({})).redacted(span(gone="g", kept="k", n=1))
    assert left.attributes == {"kept": "K", "n": 1}


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-aaaaaaaaaaaaaaaaaaaaaaaa",
        "Authorization: Bearer abcdefgh12345678",
        "{'Authorization': 'Token abc'}",
        '{"x-api-key": "abc"}',
        "hf_abcdefghijklmnopqrstuvwx",
    ],
)
def test_a_key_is_known_by_its_shape(text: str) -> None:
    hidden = ApiKeys({}).hidden(f"failed with {text}")
    assert hidden.startswith("failed with ")
    assert "[redacted]" in hidden
    for word in ("aaaaaaaa", "abcdefgh", "abc"):
        assert word not in hidden


def test_a_key_is_known_by_the_variable_that_holds_it() -> None:
    keys = ApiKeys({"OPENAI_API_KEY": SECRET, "MY_TOKEN": "none", "HOME": "/home/ada-lovelace"})
    assert keys.hidden(f"{SECRET} none /home/ada-lovelace") == "[redacted] none /home/ada-lovelace"


def test_patterns_are_sets_or_expressions_one_a_line_or_between_commas() -> None:
    assert patterns("email, x[0-9]+") == [PATTERNS["email"], "x[0-9]+"]
    assert patterns("a{1,2}\nip\n") == ["a{1,2}", PATTERNS["ip"]]
    with pytest.raises(ValueError, match=r"LEYDEN_REDACT: '\(' is no regular expression"):
        patterns("(")
    with pytest.raises(ValueError, match=r"names no function: write package\.module:function"):
        from_environment({"LEYDEN_REDACT_WITH": "mine"})


ASK = f"""
    import os
    from openai import OpenAI, OpenAIError

    def ask(client, text, **more):
        messages = [{{"role": "user", "content": text}}]
        try:
            client.chat.completions.create(model="fake", messages=messages, **more)
        except OpenAIError as error:
            pass

    ask(OpenAI(), "my address is ada@example.com")
    given = OpenAI(api_key="given-in-code-5511")
    ask(given, "tell nobody given-in-code-5511 or " + os.environ["OPENAI_API_KEY"])
    ask(given, "fail: {SECRET}", extra_headers={{"x-api-key": "{SECRET}"}})
"""


@pytest.mark.parametrize("kind", ["traceloop", "genai", "openinference"])
def test_no_key_leaves_the_process_in_prompts_headers_or_errors(
    kind: str, recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    env = recorded | {"OPENAI_API_KEY": SECRET, "LEYDEN_REDACT": "email", "LEYDEN_OPENAI_INSTRUMENTATION": kind}
    done = run(ASK, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sink.spans) == 4
    sent = b"".join(sink.bodies)
    for hidden in (SECRET, "given-in-code-5511", "ada@example.com"):
        assert hidden.encode() not in sent
    assert b"my address is [redacted]" in sent
    assert not any("token_ids" in name for s in sink.spans for name in s.attributes)


def test_a_callable_of_the_program_s_redacts_and_what_it_fails_on_stays_here(
    recorded: dict[str, str], run: Run, sink: OtlpSink, tmp_path: Path
) -> None:
    (tmp_path / "privacy.py").write_text(
        "def hide(name, value):\n"
        "    if value == 'bad': raise RuntimeError('cannot tell')\n"
        "    return 'hidden' if value == 'secret' else value\n"
    )
    script = """
        from opentelemetry import trace
        tracer = trace.get_tracer("test")
        for value in ("secret", "bad", "plain"):
            with tracer.start_as_current_span(value, attributes={"v": value}):
                pass
    """
    done = run(script, env=recorded | {"LEYDEN_REDACT_WITH": "privacy:hide"})
    assert [s.attributes.get("v") for s in sink.spans] == [None, "hidden", "plain"]
    assert done.stderr.count("\n") == 1
    assert "what it fails on is not exported" in done.stderr


def test_what_cannot_be_redacted_as_asked_is_not_recorded(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    done = run("print('runs')", env=recorded | {"LEYDEN_REDACT": "("})
    assert (done.returncode, done.stdout, sink.spans) == (0, "runs\n", [])
    assert "leyden: this program runs unrecorded: LEYDEN_REDACT: '(' is no regular expression" in done.stderr


@given(st.from_regex(api_keys._SHAPES, fullmatch=False))
def test_the_quick_look_for_a_key_s_shape_misses_none(text: str) -> None:
    assert any(mark in text for mark in api_keys._MARKS)
