"""The generator by itself: rows of unlike lengths that come and go change nothing for one another."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from leyden_trainers.errors import EngineClosed
from leyden_trainers.models import load_model
from leyden_trainers.policy_server.engine import Engine
from leyden_trainers.policy_server.sampling import Sampling


@pytest.fixture
def engine(tiny: Path) -> Iterator[Engine]:
    made = Engine(load_model(str(tiny)), frozenset({3}), max_batch=8, seed=0)
    yield made
    made.close()


def test_a_row_s_tokens_and_logprobs_are_those_it_would_have_alone(engine: Engine, tiny: Path) -> None:
    rng = random.Random(0)
    prompts = [[rng.randrange(4, 150) for _ in range(rng.randrange(1, 60))] for _ in range(40)]
    rules = [Sampling(max_tokens=rng.randrange(1, 30), seed=i, temperature=1.5) for i in range(40)]
    together = [future.result() for future in [engine.submit(*pair) for pair in zip(prompts, rules, strict=True)]]
    model = load_model(str(tiny))
    for prompt, how, response in zip(prompts, rules, together, strict=True):
        assert engine.submit(prompt, how).result().token_ids == response.token_ids
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + response.token_ids])).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1).gather(-1, torch.tensor(response.token_ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(response.logprobs), expected, atol=1e-4, rtol=0)
        assert (response.finish_reason == "stop") == (response.token_ids[-1] == 3)


def test_a_request_given_up_leaves_the_others_alone(engine: Engine) -> None:
    futures = [engine.submit([5, 6, 7], Sampling(max_tokens=20, seed=i)) for i in range(30)]
    given_up = [future for future in futures[::3] if future.cancel()]
    assert all(future.result().token_ids for future in futures if future not in given_up)


def test_a_request_that_breaks_the_model_does_not_break_the_engine(engine: Engine) -> None:
    with pytest.raises(IndexError):
        engine.submit([10_000], Sampling(max_tokens=2)).result()
    assert engine.submit([5], Sampling(max_tokens=2)).result().token_ids


def test_the_engine_s_seed_decides_where_a_request_names_none(tiny: Path) -> None:
    one, two, other = (Engine(load_model(str(tiny)), frozenset({3}), seed=seed) for seed in (1, 1, 2))
    assert one.draw_seed() == two.draw_seed() != other.draw_seed()
    for engine in (one, two, other):
        engine.close()


def test_unfinished_requests_fail_when_the_engine_closes(tiny: Path) -> None:
    engine = Engine(load_model(str(tiny)), frozenset())
    future = engine.submit([5], Sampling(max_tokens=100_000))
    engine.close()
    with pytest.raises(EngineClosed):
        future.result()
    with pytest.raises(EngineClosed):
        engine.submit([5], Sampling(max_tokens=1))
