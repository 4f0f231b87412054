"""What the way through Leyden adds to a step of online GRPO, beside the same step with rollouts handed over directly.

    python benchmarks/bench_online.py [--steps N] [--rollouts N] [--hidden N] [--json]

One run of `trl-grpo`'s own training loop, one policy server, one agent in processes of its own. Steps take turns: in
one the agents are recorded, and tokens come from collector and store; in the other nothing is recorded, and what the
agent gives back holds the tokens it was told. A step is all of it: weights, rollouts, tokens, loss, update. The order
within a pair changes from pair to pair; the first pair warms up and does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from leyden.collecting import collecting
from leyden.demo.agent import SYSTEM, TOOLS, call_tool
from leyden.demo.model import build_model, build_tokenizer
from leyden.demo.tasks import solved, tasks
from leyden_exporters.options import Options
from leyden_exporters.scoring.plugin import Plain
from leyden_store.lightning import LightningStore
from leyden_trainers.online.gathering import Gathering
from leyden_trainers.online.rollouts import Judging, Rollouts
from leyden_trainers.online.runner import Assignment, Policy, start_runner
from leyden_trainers.online.serving import OwnServer
from leyden_trainers.online.step import Copy, Fate, Row, Step
from leyden_trainers.online.tasks import Task

GROUP = 4


def act(question: str) -> dict[str, Any]:
    """The demo's agent, which also keeps what the server says of tokens; asked for by itself, recorded or not."""
    import openai

    client = openai.OpenAI()
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    turns: list[Any] = []
    while len(turns) < 4:
        completion: Any = client.chat.completions.create(
            model=os.environ["OPENAI_MODEL"], messages=messages, tools=TOOLS, max_tokens=24,
            logprobs=True, extra_body={"return_token_ids": True},
        )  # fmt: skip
        choice = completion.choices[0]
        logps = [token.logprob for token in choice.logprobs.content]
        turns.append((completion.prompt_token_ids, choice.token_ids, logps))
        reply = choice.message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
        messages.append(reply)
        if not choice.message.tool_calls:
            return {"turns": turns, "answer": choice.message.content or ""}
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": call_tool(**call["function"])}
            for call in reply["tool_calls"]
        ]
    return {"turns": turns, "answer": ""}


def handed_over(turns: Sequence[Any]) -> list[Row]:
    """Turns as rows, joined where a prompt goes on from the row before."""
    chains: list[tuple[list[int], list[int], list[float]]] = []
    for prompt, reply, logps in turns:
        if chains and prompt[: len(chains[-1][0])] == chains[-1][0]:
            ids, mask, old = chains[-1]
            between = prompt[len(ids) :]
            ids += [*between, *reply]
            mask += [0] * len(between) + [1] * len(reply)
            old += [0.0] * len(between) + list(logps)
        else:
            chains.append(([*prompt, *reply], [0] * len(prompt) + [1] * len(reply), [0.0] * len(prompt) + list(logps)))
    starts = [mask.index(1) for _, mask, _ in chains]
    return [Row(ids[:at], ids[at:], mask[at:], old[at:]) for at, (ids, mask, old) in zip(starts, chains, strict=True)]


class Directly:
    """Steps without Leyden: the same runner and agent, unrecorded."""

    def __init__(self, runner: Any, wanted: dict[str, Task]) -> None:
        self._runner, self._tasks, self._made = runner, wanted, 0

    def make(self, task_ids: Sequence[str], policy: Policy) -> Step:
        self._made += 1
        work = [Assignment(f"d{self._made}/{i}", one, 0, self._tasks[one]) for i, one in enumerate(task_ids)]
        ran = {one.rollout_id: one for one in self._runner.run(work, policy)}
        copies = []
        for one in work:
            output = ran[one.rollout_id].output
            assert output is not None, ran[one.rollout_id].error
            right = re.findall(r"\d+", output["answer"]) == [str(one.task.extra["reference"])]
            copies.append(Copy(one.rollout_id, Fate.TRAINED, float(right), handed_over(output["turns"])))
        return Step(copies)


def main() -> None:
    """Print what each kind of step took, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="pairs of steps that count (default: 10)")
    parser.add_argument("--rollouts", type=int, default=64, help="a step (default: 64)")
    parser.add_argument("--hidden", type=int, default=64, help="width of the policy (default: 64, the demo's)")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leyden-bench-")))
        found = _run(folder, stack, options)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<28}{value:>10.3f}" if isinstance(value, float) else f"{name:<28}{value:>10}")


def _run(folder: Path, stack: ExitStack, options: argparse.Namespace) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    base = _policy(folder / "base", options.hidden)
    wanted = {one.id: Task(one.id, one.input, {"reference": one.expected}) for one in tasks("train", 160)}
    dsn = f"chdb://{folder}/store"
    os.environ["LEYDEN_STORE"] = dsn
    collector = stack.enter_context(collecting(dsn))
    store = stack.enter_context(LightningStore.open(dsn))
    settings = {"agent": f"{__file__}:act", "collector": collector.url, "concurrency": options.concurrency}
    recorded, unrecorded = start_runner("local", settings), start_runner("local", settings)
    stack.callback(recorded.close)
    stack.callback(unrecorded.close)
    serving = OwnServer(str(base), folder / "weights", seed=0)
    stack.callback(serving.close)
    reward = Plain(solved, "solved", "1")
    through = Rollouts(
        recorded,
        Gathering(store, collector.url, collector.token),
        list(wanted.values()),
        Judging(reward),
        session="bench",
        options=Options(),
        on_spans=lambda _: None,
    )
    return _train(base, wanted, through, Directly(unrecorded, wanted), serving, folder, options)


def _train(
    base: Path,
    wanted: dict[str, Task],
    through: Rollouts,
    directly: Directly,
    serving: OwnServer,
    folder: Path,
    options: argparse.Namespace,
) -> dict[str, Any]:
    from transformers import TrainerCallback
    from transformers.trainer_callback import PrinterCallback
    from trl.trainer.grpo_config import GRPOConfig

    from leyden_trainers.grpo_config import GrpoConfig
    from leyden_trainers.grpo_trainer import OnlineGRPOTrainer
    from leyden_trainers.models import load_model, load_tokenizer, quiet
    from leyden_trainers.running import training_arguments

    took: dict[str, list[float]] = {"through": [], "directly": [], "store": []}
    kinds: list[str] = []

    def source(trainer: OnlineGRPOTrainer, task_ids: Sequence[str]) -> Step:
        number = trainer.state.global_step
        pair, second = divmod(number, 2)
        kinds.append("through" if (pair + second) % 2 else "directly")
        policy = serving.load(trainer.save_weights, number)
        if kinds[-1] == "through":
            step = through.make(task_ids, policy)
            took["store"].append(step.counts["time/store_s"])
            return step
        os.environ["OTEL_SDK_DISABLED"] = "true"  # read when its processes start, at their first step
        try:
            return directly.make(task_ids, policy)
        finally:
            del os.environ["OTEL_SDK_DISABLED"]

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.since = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            took[kinds[-1]].append(time.perf_counter() - self.since)

    arguments = training_arguments(
        GRPOConfig, folder / "out", GrpoConfig(agent="act"), num_generations=GROUP, loss_type="grpo",
        per_device_train_batch_size=options.rollouts, max_steps=2 * options.steps + 2, learning_rate=1e-5,
        bf16=False, gradient_checkpointing=None, activation_checkpointing=False, logging_steps=10**6,
    )  # fmt: skip
    with quiet():
        trainer = OnlineGRPOTrainer(
            source, list(wanted), model=load_model(str(base)), args=arguments, tokenizer=load_tokenizer(str(base))
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Clock())
        trainer.train()
    pairs = list(zip(took["through"][1:], took["directly"][1:], strict=True))
    return {
        "pairs": len(pairs),
        "rollouts a step": options.rollouts,
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "directly, s a step": statistics.median(took["directly"][1:]),
        "through Leyden, s a step": statistics.median(took["through"][1:]),
        "of that after the agents, s": statistics.median(took["store"][1:]),
        "ratio, median of pairs": statistics.median(a / b for a, b in pairs),
        "ratio of the sums": sum(a for a, _ in pairs) / sum(b for _, b in pairs),
    }


def _policy(folder: Path, hidden: int) -> Path:
    """The demo's policy, or one as wide as asked for that knows nothing: its replies are as long as they may be."""
    if hidden == 64:
        return build_model(folder)
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = build_tokenizer()
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=4,
            num_attention_heads=4, max_position_embeddings=256, tie_word_embeddings=True, bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    ).save_pretrained(folder)  # fmt: skip
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
