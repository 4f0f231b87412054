"""How fast turns become trajectories: merging alone, and all the way to Arrow columns.

    python benchmarks/bench_trajectories.py [--rollouts 500] [--turns 8] [--prompt 1000] [--json]

Tokens are what the servers saw and sampled: prompt plus response, summed over turns. One core, no store, no disk.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Options
from leyden_exporters.trajectories import merge
from leyden_exporters.transitions import Transition, from_rollout
from leyden_store.turns import Reward, Rollout, Turn, Usage


def main() -> None:
    """Print one line per measurement, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=500)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=1000, help="mean prompt length in tokens")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    random = np.random.default_rng(0)
    rollouts = [_rollout(random, number, args.turns, args.prompt) for number in range(args.rollouts)]
    transitions = [from_rollout(rollout, Options())[0] for rollout in rollouts]
    tokens = sum(len(one.prompt_ids) + len(one.response_ids) for turns in transitions for one in turns)
    turns = args.rollouts * args.turns
    wide = _rollout_of_strangers(random, 2000, args.prompt)

    merging = _seconds(lambda: [merge(turns) for turns in transitions])
    table = _seconds(lambda: trajectory_table(rollouts))
    strangers = _seconds(lambda: merge(wide))
    figures = {
        "tokens": tokens,
        "merge_tokens_per_s": round(tokens / merging),
        "merge_turns_per_s": round(turns / merging),
        "table_turns_per_s": round(turns / table),
        "table_rollouts_per_s": round(args.rollouts / table),
        "merge_2000_open_chains_s": round(strangers, 4),
    }
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<26}{value:>16,}")


def _rollout(random: np.random.Generator, number: int, turns: int, mean_prompt: int) -> Rollout:
    """A conversation whose prompts average `mean_prompt` tokens and grow by a response and an observation each turn."""
    step = max(2 * mean_prompt // (turns + 1), 4)
    prompt = random.integers(0, 150_000, step).astype(np.int32)
    made = []
    for index in range(turns):
        response = random.integers(0, 150_000, step // 2).astype(np.int32)
        made.append(_turn(f"r{number}", index, prompt, response, random.standard_normal(len(response)) - 2.0))
        observation = random.integers(0, 150_000, step - len(response)).astype(np.int32)
        prompt = np.concatenate((prompt, response, observation))
    reward = Reward("reward", float(random.random()))
    return Rollout(f"r{number}", f"g{number // 8}", None, (f"t{number}",), tuple(made), (), (reward,))


def _rollout_of_strangers(random: np.random.Generator, turns: int, length: int) -> list[Transition]:
    """Turns that share a long system prompt and continue none of each other: as many open chains as turns."""
    system = random.integers(0, 150_000, length).astype(np.int32)
    prompts = [np.concatenate((system, random.integers(0, 150_000, 20).astype(np.int32))) for _ in range(turns)]
    response = np.arange(50, dtype=np.int32)
    made = tuple(_turn("wide", index, prompt, response, np.zeros(50)) for index, prompt in enumerate(prompts))
    return from_rollout(Rollout("wide", "", None, ("t",), made, (), ()), Options())[0]


def _turn(rollout_id: str, index: int, prompt: object, response: object, logprobs: object) -> Turn:
    return Turn(
        trace_id=rollout_id,
        span_id=f"{rollout_id}-{index}",
        parent_span_id="",
        rollout_id=rollout_id,
        group_id="",
        attempt=None,
        session_id="",
        turn_index=index,
        agent=None,
        dialect="genai",
        provider=None,
        model=None,
        messages=(),
        response=None,
        tools=(),
        finish_reason="stop",
        usage=Usage(),
        cost=None,
        params={},
        start_ns=index,
        end_ns=index + 1,
        status="ok",
        rewards={},
        policy_version="1",
        prompt_token_ids=prompt,  # type: ignore[arg-type]
        response_token_ids=response,  # type: ignore[arg-type]
        response_logprobs=logprobs,  # type: ignore[arg-type]
    )


def _seconds(work: Callable[[], object]) -> float:
    """The best of three: the others measure what else the machine was doing."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
