"""/v1/completions over real HTTP: prompts of text or ids, and OpenAI's old shape of logprobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import torch

from tests.support.tiny_policy import Served, serving
from tests.trainers.policy_server.test_chat import recomputed

IDS = {"logprobs": 0, "extra_body": {"return_token_ids": True}}
PROMPT = "<|im_start|> user how heavy is the lamp <|im_end|> <|im_start|> assistant"


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with served.client() as made:
        yield made


def ask(client: openai.OpenAI, **more: Any) -> Any:
    return client.completions.create(**{"model": "tiny", "prompt": PROMPT, "seed": 3, **more})


def test_a_text_and_its_ids_are_the_same_prompt(client: openai.OpenAI, served: Served) -> None:
    of_text = ask(client, **IDS)
    choice = of_text.choices[0]
    of_ids = ask(client, prompt=choice.prompt_token_ids, **IDS).choices[0]
    assert (of_ids.text, of_ids.token_ids) == (choice.text, choice.token_ids)
    assert of_text.object == "text_completion"
    assert of_text.policy_version == "7"
    assert choice.prompt_token_ids == served.policy.chat.tokenizer(PROMPT)["input_ids"]
    assert of_text.usage.prompt_tokens == len(choice.prompt_token_ids)
    assert len(choice.token_ids) <= 16, "OpenAI's default"


def test_several_prompts_and_choices_come_in_order(client: openai.OpenAI) -> None:
    prompts = [PROMPT, "how"]
    many = ask(client, prompt=prompts, n=2, max_tokens=4, **IDS)
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]
    own = [ask(client, prompt=one, max_tokens=4, **IDS).choices[0].prompt_token_ids for one in prompts]
    assert [choice.prompt_token_ids for choice in many.choices] == [own[0], own[0], own[1], own[1]]
    assert many.choices[0].token_ids == ask(client, max_tokens=4, **IDS).choices[0].token_ids
    assert many.usage.prompt_tokens == sum(map(len, own))


def test_logprobs_have_the_old_shape(client: openai.OpenAI, tiny: Path) -> None:
    choice = ask(client, logprobs=2, extra_body={"return_token_ids": True}).choices[0]
    told = choice.logprobs
    expected = recomputed(tiny, choice.prompt_token_ids, choice.token_ids)
    torch.testing.assert_close(torch.tensor(told.token_logprobs), expected, atol=1e-4, rtol=0)
    assert len(told.tokens) == len(told.top_logprobs) == len(told.text_offset) == len(choice.token_ids)
    assert told.text_offset == [len("".join(told.tokens[:place])) for place in range(len(told.tokens))]
    for token, logprob, top in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert top[token] == logprob
        assert len(top) in (2, 3)


@pytest.mark.parametrize(
    "asked",
    [IDS, {}, {"n": 3, **IDS}, {"prompt": [PROMPT, "how"], **IDS}, {"stop": ['"item":'], **IDS}, {"logprobs": 3}],
    ids=["ids", "plain", "n", "prompts", "stop", "top"],
)
def test_a_stream_adds_up_to_the_whole_reply(client: openai.OpenAI, asked: dict[str, Any]) -> None:
    whole = ask(client, **asked)
    chunks = list(ask(client, **asked, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage == whole.usage
    for choice in whole.choices:
        parts = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
        assert "".join(part.text for part in parts) == choice.text
        assert [part.finish_reason for part in parts if part.finish_reason] == [choice.finish_reason]
        assert parts[-1].finish_reason
        if "extra_body" in asked:
            assert [token for part in parts for token in part.token_ids] == choice.token_ids
            assert parts[0].prompt_token_ids == choice.prompt_token_ids
        if choice.logprobs:
            summed = {
                name: [value for part in parts for value in getattr(part.logprobs, name)]
                for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")
            }
            assert summed["tokens"] == choice.logprobs.tokens
            assert summed["text_offset"] == choice.logprobs.text_offset
            # The last digits depend on what else is sampled in the same batch.
            assert summed["token_logprobs"] == pytest.approx(choice.logprobs.token_logprobs, abs=1e-5)
            for some, others in zip(summed["top_logprobs"], choice.logprobs.top_logprobs, strict=True):
                assert some == pytest.approx(others, abs=1e-5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"echo": True}, "leave out echo"),
        ({"suffix": "end"}, "leave out suffix"),
        ({"best_of": 3}, "leave out best_of"),
        ({"extra_body": {"top_k": 5}}, "leave out top_k"),
        ({"prompt": []}, "at least one token"),
        ({"prompt": ""}, "at least one token"),
        ({"prompt": [10**6]}, "from 0 to"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": [5] * 300}, "shorten it"),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_line(client: openai.OpenAI, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, **asked)
    message = refused.value.body["message"]  # type: ignore[index, call-overload]
    assert said in message
    assert "\n" not in message


def test_logprobs_of_none_but_the_sampled_are_no_wish_for_nothing(tiny: Path, sink_url: str) -> None:
    with serving(tiny, collector=sink_url) as recorded, recorded.client() as client:
        assert ask(client, logprobs=0).choices[0].logprobs.tokens
        assert ask(client).choices[0].logprobs is None


def test_best_of_as_many_as_are_asked_for_changes_nothing(client: openai.OpenAI) -> None:
    assert len(ask(client, n=2, best_of=2).choices) == 2
