"""Every way of calling the openai client gives exact token ids, and the program sees its replies as without us."""

from __future__ import annotations

import json

import pytest

from tests.instrumentation.conftest import Run
from tests.support.capture_server import CaptureServer
from tests.support.fake_llm import CALLS, FakeLlm, ids_of, logprobs_of
from tests.support.otlp_sink import OtlpSink, SinkSpan
from tests.support.scripted_llm import Answer, ScriptedLlm

EVERY_WAY = """
    import asyncio, threading
    from concurrent.futures import ThreadPoolExecutor
    from openai import AsyncOpenAI, OpenAI
    from pydantic import BaseModel

    class Answer(BaseModel):
        answer: int

    def asking(text):
        return {"model": "fake", "messages": [{"role": "user", "content": text}]}

    chat = OpenAI().chat.completions
    reply = chat.create(**asking("plain"))
    assert reply.model_extra.keys() == {"policy_version"} and not reply.choices[0].model_extra
    assert reply.choices[0].logprobs is None
    chunks = list(chat.create(**asking("stream"), stream=True, stream_options={"include_usage": True}))
    assert not any(c.choices[0].model_extra or c.choices[0].logprobs for c in chunks if c.choices)
    assert chat.create(**asking("own"), logprobs=True).choices[0].logprobs.content
    chat.create(**asking("three"), n=3)
    chat.with_raw_response.create(**asking("raw")).parse()
    with chat.stream(**asking("helper")) as events:
        list(events)
    chat.parse(**asking("parse"), response_format=Answer)

    thread = threading.Thread(target=lambda: chat.create(**asking("thread")))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: chat.create(**asking("pool"))).result()

    async def main():
        async with AsyncOpenAI() as client:
            chat = client.chat.completions
            await asyncio.gather(*(chat.create(**asking(f"async{i}")) for i in range(2)))
            async for _ in await chat.create(**asking("tool: astream"), stream=True):
                pass

    asyncio.run(main())
"""

EXPECTED = {
    **{t: f"echo: {t}" for t in ("plain", "stream", "own", "three", "raw", "helper", "thread", "pool")},
    **{t: f"echo: {t}" for t in ("async0", "async1")},
    "parse": '{"answer": 42}',
    "tool: astream": "".join(f"<call>{name}{arguments}" for name, arguments in CALLS),
}


@pytest.mark.parametrize("kind", ["traceloop", "genai", "openinference"])
def test_token_ids_are_exact_however_the_client_is_called(
    kind: str, recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    done = run(EVERY_WAY, env=recorded | {"LEYDEN_OPENAI_INSTRUMENTATION": kind})
    assert done.returncode == 0, done.stderr
    root, *calls = sink.spans
    assert {s.trace_id for s in calls} == {root.trace_id}
    assert {s.parent_id for s in calls} == {root.span_id}
    assert {s.attributes["leyden.rollout.id"] for s in calls} == {"r-1"}
    assert {text_of(s, "prompt_token_ids").removeprefix("<user>"): text_of(s) for s in calls} == EXPECTED
    for span in calls:
        ids = span.attributes["leyden.response_token_ids"]
        assert span.attributes["leyden.response_logprobs"] == logprobs_of(ids)
    (three,) = [s for s in calls if "leyden.choice.2.response_token_ids" in s.attributes]
    assert text_of(three, "choice.1.response_token_ids") == "echo: three!"
    assert three.attributes["leyden.choice.2.response_logprobs"] == logprobs_of(ids_of("echo: three!!"))


def text_of(span: SinkSpan, name: str = "response_token_ids") -> str:
    return bytes(span.attributes[f"leyden.{name}"]).decode()


ASK_TWICE = """
    from openai import OpenAI
    for text in ("one", "two"):
        print(OpenAI().chat.completions.create(
            model="fake", messages=[{"role": "user", "content": text}]).choices[0].message.content)
"""


def test_a_server_that_refuses_the_fields_is_asked_without_them(
    recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    with FakeLlm(strict=True) as llm:
        done = run(ASK_TWICE, env=recorded | llm.env())
        assert (done.stdout, done.stderr) == ("echo: one\necho: two\n", "")
        assert ["return_token_ids" in r for r in llm.requests] == [True, False, False]
    assert [s.status for s in sink.spans] == ["Unset"] * 3


def test_an_openai_that_has_changed_inside_is_left_alone(
    recorded: dict[str, str], run: Run, sink: OtlpSink, llm: FakeLlm
) -> None:
    breaking = """
        import wrapt

        def rename(module):
            del module.SyncAPIClient._process_response
        wrapt.register_post_import_hook(rename, "openai._base_client")
        import openai
        print("runs on")
    """
    done = run(breaking, env=recorded)
    assert done.stdout == "runs on\n"
    assert done.stderr.count("\n") == 1
    assert "no token ids" in done.stderr


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "hi!",
                    "annotations": [],
                    "logprobs": [
                        {"token": text, "logprob": value, "bytes": [], "top_logprobs": []}
                        for text, value in (("h", -1.5), ("i!", -0.5))
                    ],
                }
            ],
        }
    ],
    "input_messages": [{"type": "raw_message_tokens", "message": "<user>hello", "tokens": [1, 2, 3]}],
    "output_messages": [{"type": "raw_message_tokens", "message": "hi!", "tokens": [4, 5]}],
}
"""As vLLM answers where it is asked for messages and logprobs."""

ASK_RESPONSES = """
    import asyncio
    from openai import AsyncOpenAI, OpenAI
    asked = {"model": "m", "input": "hello"}

    def check(reply):
        assert reply.output_text == "hi!" and not reply.model_extra, reply
        assert not reply.output[0].content[0].logprobs

    check(OpenAI().responses.create(**asked))
    check(asyncio.run(AsyncOpenAI().responses.create(**asked)))
    *_, last = OpenAI().responses.create(**asked, stream=True)
    check(last.response)
    own = OpenAI().responses.create(**asked, extra_body={"enable_response_messages": True})
    assert own.model_extra["output_messages"][0]["tokens"] == [4, 5]
"""


@pytest.mark.parametrize("kind", ["traceloop", "genai", "openinference"])
def test_the_responses_api_gives_ids_where_the_server_does(
    kind: str, recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    event = {"type": "response.completed", "sequence_number": 1, "response": RESPONSE}
    stream = Answer(
        pieces=[f"event: response.completed\ndata: {json.dumps(event)}\n\n".encode()],
        headers={"content-type": "text/event-stream"},
    )
    whole = Answer(body=RESPONSE)
    with ScriptedLlm(whole, whole, stream, whole) as llm:
        env = recorded | {"OPENAI_BASE_URL": f"{llm.url}", "LEYDEN_OPENAI_INSTRUMENTATION": kind}
        done = run(ASK_RESPONSES, env=env)
    assert done.returncode == 0, done.stderr
    assert [one.json()["enable_response_messages"] for one in llm.seen] == [True] * 4
    assert {tuple(one.json()["include"]) for one in llm.seen} == {("message.output_text.logprobs",)}
    if kind == "traceloop":
        return  # its span of such a call is made when the call is over: there is nothing to write on
    calls = sink.spans[1:]
    assert [s.attributes["leyden.prompt_token_ids"] for s in calls] == [[1, 2, 3]] * 4
    assert [s.attributes["leyden.response_token_ids"] for s in calls] == [[4, 5]] * 4
    assert [s.attributes["leyden.response_logprobs"] for s in calls] == [[-1.5, -0.5]] * 4


THE_REST = """
    from openai import AzureOpenAI, OpenAI
    OpenAI().completions.create(model="fake-text", prompt="hello")
    azure = AzureOpenAI(base_url=OpenAI().base_url, api_key="none", api_version="1")
    messages = [{"role": "user", "content": "on Azure"}]
    azure.chat.completions.create(model="fake-chat", messages=messages)
"""


def test_what_the_default_does_not_know_is_recorded_all_the_same(
    recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    """Completions of old, and Azure's client, which passes other methods than the plain one."""
    with CaptureServer() as server:
        done = run(THE_REST, env=recorded | {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "none"})
    assert done.returncode == 0, done.stderr
    _, old, azure = sink.spans
    assert (old.name, old.attributes["gen_ai.operation.name"]) == ("openai.completion", "text_completion")
    assert "on Azure" in azure.attributes["gen_ai.input.messages"]
    assert "Hello there" in azure.attributes["gen_ai.output.messages"]


@pytest.mark.parametrize("content", [True, False])
def test_embedded_texts_are_told_and_go_with_content(
    content: bool, recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    program = """
        from openai import OpenAI
        for given in ("one text", ["two", "texts"], [[1, 2], [3]]):
            OpenAI().embeddings.create(model="fake-embed", input=given)
    """
    off = {} if content else {"LEYDEN_CAPTURE_CONTENT": "false"}
    with CaptureServer() as server:
        done = run(program, env=recorded | {"OPENAI_BASE_URL": server.url} | off)
    assert done.returncode == 0, done.stderr
    calls = sink.spans[1:]
    assert [span.attributes["gen_ai.operation.name"] for span in calls] == ["embeddings"] * 3
    told = [json.loads(span.attributes.get("gen_ai.input.messages", "[]")) for span in calls]
    texts = [[message["parts"][0]["content"] for message in messages] for messages in told]
    assert texts == ([["one text"], ["two", "texts"], []] if content else [[], [], []])


def test_ids_wait_as_text_and_arrive_as_ids(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    """Those of a prompt are cut out of the reply before the program parses it, whichever way it reads it."""
    program = """
        from openai import OpenAI
        raw = OpenAI().chat.completions.with_raw_response.create(
            model="fake", messages=[{"role": "user", "content": 'the word "prompt_token_ids": [1]'}])
        assert all(f'"{name}":null' in raw.text for name in ("prompt_token_ids", "token_ids", "logprobs"))
        print(raw.parse().choices[0].message.content)
    """
    done = run(program, env=recorded)
    assert (done.returncode, done.stdout) == (0, 'echo: the word "prompt_token_ids": [1]\n'), done.stderr
    (_, call) = sink.spans
    assert text_of(call, "prompt_token_ids") == '<user>the word "prompt_token_ids": [1]'


def test_a_program_that_asks_for_ids_itself_gets_them(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    program = """
        from openai import OpenAI
        reply = OpenAI().chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "a"}], extra_body={"return_token_ids": True})
        assert reply.model_extra["prompt_token_ids"], reply
        assert reply.choices[0].model_extra["token_ids"], reply
        assert reply.choices[0].logprobs is None, reply
    """
    done = run(program, env=recorded)
    assert done.returncode == 0, done.stderr
    (_, call) = sink.spans
    assert text_of(call) == "echo: a"
    assert call.attributes["leyden.response_logprobs"] == logprobs_of(call.attributes["leyden.response_token_ids"])


def test_events_have_the_words_too_where_they_are_asked_for(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    script = """
        from opentelemetry import _logs
        from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
        told = InMemoryLogRecordExporter()
        _logs.get_logger_provider().add_log_record_processor(SimpleLogRecordProcessor(told))
        from openai import OpenAI
        OpenAI().chat.completions.create(model="fake", messages=[{"role": "user", "content": "said"}])
        (event,) = told.get_finished_logs()
        print(event.log_record.attributes["gen_ai.input.messages"][0]["parts"][0]["content"])
    """
    mode = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT"}
    done = run(script, env=recorded | mode)
    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
    assert "said" in sink.spans[1].attributes["gen_ai.input.messages"]
