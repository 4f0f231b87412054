"""The policy server over real HTTP, asked by the real openai client."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch

from leyden.demo.agent import FACTS, SYSTEM, TOOLS
from leyden_trainers.models import load_model
from tests.support.tiny_policy import Served, serving

QUESTION = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "how heavy is the lamp"}]
IDS = {"logprobs": True, "extra_body": {"return_token_ids": True}}


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with served.client() as made:
        yield made


def ask(client: openai.OpenAI, messages: Any = QUESTION, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": "tiny", "messages": messages, "tools": TOOLS, "seed": 3, **more})


def recomputed(folder: Path, prompt: list[int], sampled: list[int]) -> torch.Tensor:
    """The log-probability of each sampled id, from one forward pass over everything."""
    with torch.no_grad():
        logits = load_model(str(folder))(input_ids=torch.tensor([prompt + sampled])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(sampled)[:, None])[:, 0]


def test_a_reply_is_a_tool_call_in_openai_s_form(client: openai.OpenAI) -> None:
    choice = ask(client).choices[0]
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert call.function.name in FACTS
    assert json.loads(call.function.arguments) == {"item": "lamp"}
    assert choice.message.content is None


def test_a_reply_names_its_tokens_under_vllm_s_names_when_asked(client: openai.OpenAI, served: Served) -> None:
    reply = ask(client, **IDS)
    choice = reply.choices[0]
    tokenizer = served.policy.chat.tokenizer
    assert choice.token_ids[-1] == tokenizer.eos_token_id
    assert len(choice.logprobs.content) == len(choice.token_ids)
    assert tokenizer.decode(reply.prompt_token_ids).endswith("how heavy is the lamp <|im_end|> <|im_start|> assistant")
    assert reply.usage.prompt_tokens == len(reply.prompt_token_ids)
    assert reply.usage.completion_tokens == len(choice.token_ids)
    assert reply.policy_version == "7"


def test_a_reply_keeps_its_tokens_to_itself_when_not_asked(client: openai.OpenAI) -> None:
    reply = ask(client)
    assert not hasattr(reply, "prompt_token_ids")
    assert not hasattr(reply.choices[0], "token_ids")
    assert reply.choices[0].logprobs is None
    assert reply.policy_version == "7"


def test_a_server_told_to_always_names_tokens_does(tiny: Path) -> None:
    with serving(tiny, show_ids=True, name="other") as served, served.client() as client:
        reply = ask(client, model="other")
    assert len(reply.choices[0].token_ids) == len(reply.choices[0].logprobs.content)  # type: ignore[attr-defined]


def test_logprobs_are_the_model_s_own(client: openai.OpenAI, tiny: Path) -> None:
    reply = ask(client, top_logprobs=2, **IDS)
    choice = reply.choices[0]
    told = [token.logprob for token in choice.logprobs.content]
    expected = recomputed(tiny, reply.prompt_token_ids, choice.token_ids)
    torch.testing.assert_close(torch.tensor(told), expected, atol=1e-4, rtol=0)
    for token in choice.logprobs.content:
        best, second = token.top_logprobs
        assert best.logprob >= max(second.logprob, token.logprob)


def test_logprobs_are_the_model_s_own_at_any_temperature(client: openai.OpenAI, tiny: Path) -> None:
    reply = ask(client, temperature=1.7, top_p=0.9, **IDS)
    choice = reply.choices[0]
    expected = recomputed(tiny, reply.prompt_token_ids, choice.token_ids)
    told = torch.tensor([token.logprob for token in choice.logprobs.content])
    torch.testing.assert_close(told, expected, atol=1e-4, rtol=0)


def test_the_next_prompt_begins_with_this_one_and_its_reply(client: openai.OpenAI) -> None:
    first = ask(client, **IDS)
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "42"}
    second = ask(client, [*QUESTION, message.model_dump(exclude_none=True), result], **IDS)
    held = first.prompt_token_ids + first.choices[0].token_ids
    assert second.prompt_token_ids[: len(held)] == held
    assert "42" in second.choices[0].message.content


def test_what_is_sampled_decodes_to_text_that_encodes_to_the_same(client: openai.OpenAI, served: Served) -> None:
    chat = served.policy.chat
    for choice in ask(client, n=64, temperature=2.0, max_tokens=12, **IDS).choices:
        text = chat.text(choice.token_ids)
        ended = choice.token_ids[-1] in chat.end_ids
        assert chat.tokenizer(text, add_special_tokens=False)["input_ids"] == choice.token_ids[: -1 if ended else None]


def test_choices_are_drawn_by_the_model_s_probabilities(client: openai.OpenAI, tiny: Path, served: Served) -> None:
    reply = client.chat.completions.create(model="tiny", messages=QUESTION, tools=TOOLS, n=128, seed=0, **IDS)  # type: ignore[call-overload]
    drawn = Counter(choice.token_ids[2] for choice in reply.choices)
    prompt = reply.prompt_token_ids + reply.choices[0].token_ids[:2]
    with torch.no_grad():
        probs = load_model(str(tiny))(input_ids=torch.tensor([prompt])).logits[0, -1].softmax(-1)
    for token, probability in enumerate(probs.tolist()):
        spread = (128 * probability * (1 - probability)) ** 0.5
        assert abs(drawn[token] - 128 * probability) < 4 * spread + 1, served.policy.chat.text([token])


def test_temperature_zero_takes_the_likeliest(client: openai.OpenAI) -> None:
    choice = ask(client, temperature=0, top_logprobs=1, **IDS).choices[0]
    assert all(token.logprob == token.top_logprobs[0].logprob for token in choice.logprobs.content)


def test_a_seed_gives_the_same_reply_alone_and_in_company(client: openai.OpenAI) -> None:
    alone = ask(client, seed=11, **IDS).choices[0].token_ids
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: ask(client, seed=seed, **IDS).choices[0].token_ids, [11, *range(30), 11]))
    assert together[0] == together[-1] == alone
    assert len({tuple(ids) for ids in together}) > 1


def test_a_reply_ends_at_its_token_limit(client: openai.OpenAI) -> None:
    choice = ask(client, max_tokens=3, **IDS).choices[0]
    assert (choice.finish_reason, len(choice.token_ids)) == ("length", 3)
    assert choice.message.tool_calls is None
    assert choice.message.content.startswith("<tool_call> ")


def test_a_reply_ends_before_a_stop_text(client: openai.OpenAI) -> None:
    choice = ask(client, stop=['"arguments"']).choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content.startswith('<tool_call> {"name": ')
    assert "arguments" not in choice.message.content


def test_without_tools_a_reply_is_text(client: openai.OpenAI) -> None:
    choice = ask(client, tool_choice="none", seed=1).choices[0]
    assert choice.message.tool_calls is None


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"model": "gpt-9"}, 404, "ask for tiny"),
        ({"response_format": {"type": "json_object"}}, 400, "leave out response_format"),
        ({"tool_choice": "required"}, 400, "leave out tool_choice"),
        ({"messages": [{"role": "user", "content": "lamp " * 300}]}, 400, "the model reads 256: shorten it"),
        ({"messages": []}, 400, "messages"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "text only"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
            400,
            "JSON",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_line(
    client: openai.OpenAI, asked: dict[str, Any], status: int, said: str
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        ask(client, **asked)
    message = refused.value.body["message"]  # type: ignore[index, call-overload]
    assert refused.value.status_code == status
    assert said in message
    assert "\n" not in message


def test_it_says_what_it_serves(client: openai.OpenAI, served: Served) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    health = httpx.get(served.url.removesuffix("/v1") + "/health").json()
    assert health == {"status": "ok", "model": "tiny", "policy_version": "7"}


def test_weights_that_cannot_be_loaded_leave_the_old_ones_serving(
    served: Served, client: openai.OpenAI, tmp_path: Path
) -> None:
    refused = httpx.post(
        served.url.removesuffix("/v1") + "/admin/load", json={"path": str(tmp_path), "policy_version": 8}
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == f"{tmp_path} holds no model: it has no config.json"
    assert ask(client).policy_version == "7"
