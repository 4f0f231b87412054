"""What the way through Leyden adds to a step of online GRPO, beside the same step with rollouts handed over directly.

    python benchmarks/bench_online.py [--steps N] [--rollouts N] [--width N | --model DIR] [--json]

One run of `trl-grpo`'s own training loop, one policy server, one agent over HTTP in processes of its own. Steps take
turns: in one the agents are recorded, and tokens come from collector and store; in the other nothing is recorded, and
what the agent gives back holds the tokens it was told. A step is all of it: weights, rollouts, tokens, loss, update.
The order within a pair changes from pair to pair; the first pair warms up and does not count.

The policy is the demo's, of 92 thousand parameters, or that with `--width` neurons in each layer's MLP instead of 128:
the new ones say nothing, so that agents do the same, for the price of a larger model (8192: 3.2 million parameters).
`--model` takes a real one from its folder: docs/training.md says how to get one of 135 million parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from online.cpu import cpu_by_part
from online.directly import Directly

from leyden.collecting import collecting
from leyden.demo.model import build_model
from leyden.demo.tasks import solved, tasks
from leyden_exporters.options import Options
from leyden_exporters.scoring.plugin import Plain
from leyden_store.lightning import LightningStore
from leyden_trainers.online.gathering import Gathering
from leyden_trainers.online.reading import Judging, Reader
from leyden_trainers.online.rollouts import Rollouts
from leyden_trainers.online.runner import start_runner
from leyden_trainers.online.serving import OwnServer
from leyden_trainers.online.step import Step
from leyden_trainers.online.tasks import Task

GROUP = 4
AGENT = f"{Path(__file__).parent / 'online' / 'agent.py'}:act"
NARROW = 128
"""The width of the demo's policy."""


def main() -> None:
    """Print what each kind of step took, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="pairs of steps that count (default: 10)")
    parser.add_argument("--rollouts", type=int, default=64, help="a step (default: 64)")
    policy = parser.add_mutually_exclusive_group()
    policy.add_argument("--width", type=int, default=NARROW, help="of the policy's MLPs (default: 128, the demo's)")
    policy.add_argument("--model", type=Path, help="the policy, a folder, for the demo's")
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
        print(f"{name:<40}{value:>10.3f}" if isinstance(value, float) else f"{name:<40}{value:>10}")


def _run(folder: Path, stack: ExitStack, options: argparse.Namespace) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    base = options.model or build_model(folder / "base")
    if options.width != NARROW:
        _widen(base, options.width)
    wanted = {one.id: Task(one.id, one.input, {"reference": one.expected}) for one in tasks("train", 160)}
    dsn = f"chdb://{folder}/store"
    os.environ["LEYDEN_STORE"] = dsn
    collector = stack.enter_context(collecting(dsn))
    store = stack.enter_context(LightningStore.open(dsn))
    settings = {"agent": AGENT, "collector": collector.url, "concurrency": options.concurrency}
    recorded, unrecorded = start_runner("local", settings), start_runner("local", settings)
    stack.callback(recorded.close)
    stack.callback(unrecorded.close)
    serving = OwnServer(str(base), folder / "weights", seed=0)
    stack.callback(serving.close)
    gathering = Gathering(store, collector.url, collector.token)
    reader = Reader(gathering, Judging(Plain(solved, "solved", "1")), Options(), lambda _: None)
    through = Rollouts(recorded, reader, list(wanted.values()), session="bench")
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
    used: dict[str, list[Counter[str]]] = {"through": [], "directly": []}
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
            self.used, self.since = cpu_by_part(), time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            took[kinds[-1]].append(time.perf_counter() - self.since)
            used[kinds[-1]].append(cpu_by_part() - self.used)

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
    cpu = {kind: _mean(found[1:]) for kind, found in used.items()}
    return {
        "pairs": len(pairs),
        "rollouts a step": options.rollouts,
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "directly, s a step": statistics.median(took["directly"][1:]),
        "through Leyden, s a step": statistics.median(took["through"][1:]),
        "of that after the agents, s": statistics.median(took["store"][1:]),
        "ratio, median of pairs": statistics.median(a / b for a, b in pairs),
        "ratio of the sums": sum(a for a, _ in pairs) / sum(b for _, b in pairs),
        **{f"{kind}, CPU s, {part}": value for kind, parts in cpu.items() for part, value in parts.items()},
        "ratio of the CPU": sum(cpu["through"].values()) / sum(cpu["directly"].values()),
    }


def _mean(steps: Sequence[Counter[str]]) -> dict[str, float]:
    parts = sorted(set().union(*steps))
    return {part: statistics.fmean(step[part] for step in steps) for part in parts}


def _widen(folder: Path, width: int) -> None:
    """Give the policy's MLPs more neurons, whose outputs weigh nothing yet."""
    import torch
    from transformers import AutoModelForCausalLM

    narrow = AutoModelForCausalLM.from_pretrained(folder)
    config = narrow.config
    config.intermediate_size = width
    wide = AutoModelForCausalLM.from_config(config)
    given = narrow.state_dict()
    with torch.no_grad():
        for name, weight in wide.state_dict().items():
            old = given[name]
            if "down_proj" in name:
                weight.zero_()
            weight[tuple(slice(size) for size in old.shape)] = old
    wide.save_pretrained(folder)


if __name__ == "__main__":
    main()
