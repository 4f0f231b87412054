"""What each dialect takes for an LLM call, what it makes of odd content, and what it refuses with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leyden_store.dialects import Unreadable, looks_like_llm, recognise
from leyden_store.dialects.genai_events import join_logs
from leyden_store.reading import read_rollouts
from leyden_store.spans import Event, LogRecord, Span
from leyden_store.turns import Call, Turn


def span(scope: str = "", name: str = "x", events: tuple[Event, ...] = (), **attributes: Any) -> Span:
    dotted = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span("t", "a", name, 1, 2, scope_name=scope, attributes=dotted, events=events)


def read(found: Span) -> Call:
    dialect = recognise(found)
    assert dialect is not None
    return dialect.read(found)


def turn(found: Span) -> Turn:
    (rollout,) = read_rollouts([found])
    return rollout.turns[0]


def genai(**attributes: Any) -> Span:
    return span(gen_ai__operation__name="chat", **attributes)


def parts(role: str, *found: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "parts": list(found), **more}


class TestWhatIsAnLlmCall:
    @pytest.mark.parametrize("operation", ["embeddings", "retrieval", "execute_tool", "invoke_agent", "create_agent"])
    def test_other_operations_of_the_convention_are_recognised_and_are_none(self, operation: str) -> None:
        found = span(gen_ai__operation__name=operation, gen_ai__request__model="m")
        assert recognise(found) is None
        assert not looks_like_llm(found)

    @pytest.mark.parametrize("kind", ["EMBEDDING", "RERANKER", "RETRIEVER", "TOOL", "AGENT", "CHAIN", "GUARDRAIL"])
    def test_other_kinds_of_openinference_are_none(self, kind: str) -> None:
        found = span("openinference.x", openinference__span__kind=kind, llm__model_name="m")
        assert recognise(found) is None
        assert not looks_like_llm(found)

    @pytest.mark.parametrize(
        "kind",
        [
            {"llm.request.type": "embedding"},
            {"llm.request.type": "rerank"},
            {"ai.operationId": "ai.embed.doEmbed"},
            {"ai.operationId": "ai.rerank.doRerank"},
            {"ai.operationId": "ai.toolCall"},
            *({"langfuse.observation.type": kind} for kind in ("embedding", "retriever", "tool", "agent", "span")),
            *({"mlflow.spanType": f'"{kind}"'} for kind in ("EMBEDDING", "RERANKER", "RETRIEVER", "TOOL", "AGENT")),
            *({"traceloop.span.kind": kind} for kind in ("workflow", "task", "agent", "tool")),
        ],
        ids=str,
    )
    def test_embedding_rerank_retrieval_and_tools_of_every_dialect_are_known_and_are_none(
        self, kind: dict[str, str]
    ) -> None:
        found = Span("t", "a", "x", 1, 2, attributes={"gen_ai.request.model": "m", "llm.model_name": "m", **kind})
        assert recognise(found) is None
        assert not looks_like_llm(found)

    def test_what_sums_up_a_loop_of_the_ai_sdk_is_none(self) -> None:
        found = span("ai", ai__operationId="ai.generateText", ai__usage__inputTokens=9)
        assert recognise(found) is None
        assert not looks_like_llm(found)

    def test_the_scope_decides_before_the_attributes(self) -> None:
        both = {"openinference__span__kind": "LLM", "gen_ai__operation__name": "chat", "gen_ai__request__model": "m"}
        assert read(span("openinference.instrumentation.openai", **both)).dialect == "openinference"
        assert read(span("opentelemetry.instrumentation.genai.openai", **both)).dialect == "genai"

    def test_a_scope_nobody_knows_is_read_by_its_attributes(self) -> None:
        assert read(span("my.own.thing", openinference__span__kind="LLM")).dialect == "openinference"
        assert read(span("my.own.thing", gen_ai__operation__name="chat")).dialect == "genai"
        assert read(span("my.own.thing", llm__request__type="chat")).dialect == "traceloop-indexed"


class TestMessages:
    def test_structure_and_json_text_are_read_alike(self) -> None:
        messages = [parts("user", {"type": "text", "content": "hi"})]
        as_text = read(genai(gen_ai__input__messages=json.dumps(messages)))
        assert read(genai(gen_ai__input__messages=messages)).messages == as_text.messages

    def test_system_instructions_come_first(self) -> None:
        for instructions in (
            '[{"type": "text", "content": "Be brief."}]',
            "Be brief.",
            [{"type": "text", "content": "Be brief."}],
        ):
            call = read(genai(gen_ai__system_instructions=instructions, gen_ai__input__messages="[]"))
            assert call.messages == [{"role": "system", "content": "Be brief."}]

    def test_arguments_are_kept_to_the_byte_where_they_were_text(self) -> None:
        exact = '{ "city":"Zürich" }'
        sent = [parts("assistant", {"type": "tool_call", "id": "c", "name": "f", "arguments": exact})]
        (message,) = read(genai(gen_ai__input__messages=sent)).messages
        assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": exact}

    def test_arguments_that_were_parsed_are_written_as_json(self) -> None:
        sent = [parts("assistant", {"type": "tool_call", "id": "c", "name": "f", "arguments": {"city": "Zürich"}})]
        (message,) = read(genai(gen_ai__input__messages=sent)).messages
        assert message["tool_calls"][0]["function"]["arguments"] == '{"city": "Zürich"}'

    @pytest.mark.parametrize("key", ["response", "result"])
    def test_several_tool_results_in_one_message_are_a_message_each(self, key: str) -> None:
        results = [
            {"type": "tool_call_response", "id": f"c{i}", key: value} for i, value in enumerate(["18", {"t": 9}])
        ]
        call = read(genai(gen_ai__input__messages=[parts("user", *results, {"type": "text", "content": "so?"})]))
        assert call.messages == [
            {"role": "tool", "content": "18", "tool_call_id": "c0"},
            {"role": "tool", "content": '{"t": 9}', "tool_call_id": "c1"},
            {"role": "user", "content": "so?"},
        ]

    def test_reasoning_stands_apart_from_content(self) -> None:
        said = parts("assistant", {"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "4"})
        response = read(genai(gen_ai__output__messages=[said])).response
        assert response == {"role": "assistant", "content": "4", "reasoning_content": "Hm."}

    @pytest.mark.parametrize(
        ("part", "kept"),
        [
            (
                {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            ),
            (
                {"type": "blob", "mime_type": "image/png", "content": "AA=="},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ),
            (
                {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "AA=="},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ),
            ({"type": "file", "file_id": "f-1"}, {"type": "file", "file": {"file_id": "f-1"}}),
            ({"type": "hologram", "depth": 3}, {"type": "hologram", "depth": 3}),
        ],
    )
    def test_parts_that_are_no_text_become_openais_or_stay_as_they_are(self, part: Any, kept: Any) -> None:
        sent = [parts("user", {"type": "text", "content": "look"}, part)]
        (message,) = read(genai(gen_ai__input__messages=sent)).messages
        assert message["content"] == [{"type": "text", "text": "look"}, kept]

    @pytest.mark.parametrize(
        ("sent", "named"),
        [
            ("tool_call", "tool_calls"),
            ("end_turn", "stop"),
            ("MAX_TOKENS", "length"),
            ("tool-calls", "tool_calls"),
            ("", None),
            ("odd", "odd"),
        ],
    )
    def test_finish_reasons_have_openais_names(self, sent: str, named: str | None) -> None:
        assert read(genai(gen_ai__response__finish_reasons=[sent])).finish_reason == named

    @pytest.mark.parametrize("prompt", ["hi", '[{"role": "user", "content": "hi"}]', ["hi"]])
    @pytest.mark.parametrize("as_events", [False, True])
    def test_the_oldest_prompt_and_completion_are_read_on_spans_and_in_events(
        self, prompt: Any, as_events: bool
    ) -> None:
        told = {"gen_ai.prompt": prompt, "gen_ai.completion": "hello"}
        names = {"gen_ai.prompt": "gen_ai.content.prompt", "gen_ai.completion": "gen_ai.content.completion"}
        events = tuple(Event(1, names[key], {key: value}) for key, value in told.items()) if as_events else ()
        attributes = {"gen_ai.operation.name": "chat", **({} if as_events else told)}
        call = read(Span("t", "a", "x", 1, 2, attributes=attributes, events=events))
        assert call.messages == [{"role": "user", "content": "hi"}]
        assert call.response == {"role": "assistant", "content": "hello"}
        assert call.notes == ()

    def test_geminis_stop_after_a_tool_call_is_what_openai_calls_tool_calls(self) -> None:
        said = parts("assistant", {"type": "tool_call", "id": "c", "name": "f", "arguments": {}}, finish_reason="STOP")
        asked = {"gen_ai__output__messages": [said], "gen_ai__response__finish_reasons": ["STOP"]}
        assert read(genai(gen_ai__provider__name="gcp.gemini", **asked)).finish_reason == "tool_calls"
        assert read(genai(gen_ai__provider__name="openai", **asked)).finish_reason == "stop"

    def test_deprecated_names_are_still_read(self) -> None:
        call = read(genai(gen_ai__system="openai", gen_ai__usage__prompt_tokens=3, gen_ai__usage__completion_tokens=2))
        assert (call.provider, call.usage.input, call.usage.output) == ("openai", 3, 2)


class TestUnreadable:
    @pytest.mark.parametrize(
        ("found", "attribute"),
        [
            (genai(gen_ai__input__messages='[{"role": "us'), "gen_ai.input.messages"),
            (genai(gen_ai__input__messages="7"), "gen_ai.input.messages"),
            (genai(gen_ai__output__messages="[3]"), "gen_ai.output.messages"),
            (genai(gen_ai__tool__definitions="[{"), "gen_ai.tool.definitions"),
            (
                span(openinference__span__kind="LLM", input__value="{", input__mime_type="application/json"),
                "input.value",
            ),
            (span(ai__operationId="ai.generateText.doGenerate", ai__prompt__messages="{"), "ai.prompt.messages"),
            (span(mlflow__spanType='"LLM"', mlflow__spanInputs="{"), "mlflow.spanInputs"),
        ],
    )
    def test_broken_content_is_refused_by_the_name_of_its_attribute(self, found: Span, attribute: str) -> None:
        with pytest.raises(Unreadable) as refused:
            read(found)
        assert refused.value.attribute == attribute

    def test_no_content_at_all_is_a_call_with_a_note(self) -> None:
        assert read(genai()).notes == ("no content captured",)


class TestOpenInference:
    def test_flattened_messages_are_read_where_the_request_is_hidden(self) -> None:
        flat = {
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "what?",
            "llm.input_messages.0.message.contents.1.message_content.type": "image",
            "llm.input_messages.0.message.contents.1.message_content.image.image.url": "https://x/y.png",
            "llm.input_messages.10.message.role": "assistant",
            "llm.input_messages.10.message.tool_calls.0.tool_call.id": "c",
            "llm.input_messages.10.message.tool_calls.0.tool_call.function.name": "now",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "a cat",
            "llm.finish_reason": "stop",
            "input.value": "__REDACTED__",
            "openinference.span.kind": "LLM",
        }
        call = read(Span("t", "a", "x", 1, 2, attributes=flat))
        assert call.messages == [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what?"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}],
            },
        ]
        assert (call.response, call.finish_reason) == ({"role": "assistant", "content": "a cat"}, "stop")

    def test_a_history_the_server_kept_is_noted(self) -> None:
        request = json.dumps({"model": "m", "input": "go on", "previous_response_id": "resp_0"})
        call = read(span(openinference__span__kind="LLM", input__value=request))
        assert call.notes == ["history before resp_0 was kept by the server"]

    def test_every_choice_keeps_its_own_token_ids(self) -> None:
        logprobs = {"content": [{"token": "a", "logprob": -0.5}]}
        choices = [
            {
                "index": i,
                "message": {"content": str(i)},
                "finish_reason": "stop",
                "token_ids": [i + 7],
                "logprobs": logprobs,
            }
            for i in range(2)
        ]
        reply = json.dumps({"id": "r", "choices": choices, "prompt_token_ids": [1, 2]})
        call = read(span(openinference__span__kind="LLM", output__value=reply))
        assert (call.prompt_token_ids, call.response_token_ids, call.response_logprobs) == ([1, 2], [7], [-0.5])
        assert call.choices[0]["response_token_ids"] == [8]


class TestTokenIds:
    def test_the_stores_columns_win(self) -> None:
        found = Span(
            "t", "a", "x", 1, 2,
            attributes={"gen_ai.operation.name": "chat", "response_token_ids": [9], "prompt_token_ids": [8]},
            prompt_token_ids=[1], response_token_ids=[2], response_logprobs=[-0.1],
        )  # fmt: skip
        read_turn = turn(found)
        assert (read_turn.prompt_token_ids, read_turn.response_token_ids, read_turn.response_logprobs) == (
            [1],
            [2],
            [-0.1],
        )

    def test_further_choices_have_attributes_of_their_own(self) -> None:
        said = [parts("assistant", {"type": "text", "content": text}, finish_reason="stop") for text in ("a", "b")]
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.output.messages": said,
            "leyden.choice.1.response_token_ids": [5, 6],
            "leyden.choice.1.response_logprobs": [-1.0, -2.0],
        }
        (choice,) = turn(Span("t", "a", "x", 1, 2, attributes=attributes, response_token_ids=[4])).choices
        assert (choice["response_token_ids"], choice["response_logprobs"]) == ([5, 6], [-1.0, -2.0])


class TestEvents:
    def test_log_records_join_the_span_they_point_at_in_order_of_time(self) -> None:
        logs = [
            LogRecord(
                3, "gen_ai.choice", "t", "a", body={"index": 0, "message": {"content": "4"}, "finish_reason": "stop"}
            ),
            LogRecord(2, "gen_ai.user.message", "t", "a", body={"content": "2+2?"}),
            LogRecord(2, "gen_ai.user.message", "t", "other", body={"content": "not mine"}),
            LogRecord(1, "", "t", "a", body="a plain log line"),
        ]
        (joined,) = join_logs([genai()], logs)
        call = read(joined)
        assert call.dialect == "genai-events"
        assert call.messages == [{"role": "user", "content": "2+2?"}]
        assert (call.response, call.finish_reason) == ({"role": "assistant", "content": "4"}, "stop")

    def test_span_events_with_json_text_are_read_too(self) -> None:
        calls = json.dumps([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}])
        events = (
            Event(1, "gen_ai.assistant.message", {"tool_calls": calls}),
            Event(2, "gen_ai.tool.message", {"id": "c", "content": "18"}),
        )
        found = Span("t", "a", "x", 1, 2, attributes={"gen_ai.operation.name": "chat"}, events=events)
        assert [message["role"] for message in read(found).messages] == ["assistant", "tool"]
        assert read(found).messages[1]["tool_call_id"] == "c"


class TestOlderLogfire:
    def test_bodies_in_request_and_response_data_are_read(self) -> None:
        call = read(
            span(
                "logfire.openai",
                gen_ai__request__model="m",
                request_data=json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "seed": 3}),
                response_data=json.dumps(
                    {"message": {"role": "assistant", "content": "hello"}, "usage": {"prompt_tokens": 1}}
                ),
            )
        )
        assert call.messages == [{"role": "user", "content": "hi"}]
        assert call.response == {"role": "assistant", "content": "hello"}
        assert (call.usage.input, call.params) == (1, {"seed": 3})

    def test_messages_in_one_events_attribute_are_read(self) -> None:
        events = [
            {"event.name": "gen_ai.user.message", "content": "hi", "role": "user"},
            {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "hello"}},
        ]
        attributes = {"gen_ai.operation.name": "chat", "events": json.dumps(events)}
        found = Span("t", "a", "x", 1, 2, scope_name="pydantic-ai", attributes=attributes)
        assert read(found).messages == [{"role": "user", "content": "hi"}]
        assert read(found).response == {"role": "assistant", "content": "hello"}
