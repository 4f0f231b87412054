"""`trl-grpo`: group relative policy optimisation on rollouts that agents make while it trains, by TRL's GRPOTrainer.

https://arxiv.org/abs/2402.03300. A step asks a runner for `num_generations` rollouts of each of its tasks; agents ask a
policy server that has the weights of that step, and what they did is read from the store.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from leyden_trainers.checkpoints import check_output, checkpoint_folder, partial_of
from leyden_trainers.errors import SettingInvalid, TasksInvalid
from leyden_trainers.grpo_config import GrpoConfig
from leyden_trainers.lora import adapted
from leyden_trainers.models import check_model, load_model, load_tokenizer, quiet
from leyden_trainers.online.gathering import Gathering
from leyden_trainers.online.reading import Judging, Reader
from leyden_trainers.online.rollouts import Rollouts
from leyden_trainers.online.runner import Policy
from leyden_trainers.online.serving import AnyServer, OwnServer, Serving
from leyden_trainers.online.step import Step
from leyden_trainers.online.tasks import Task, read_tasks, tasks_of, write_tasks
from leyden_trainers.plugin import OnMetrics, Requirement, Surroundings, TrainerConfig, TrainResult, ignore

if TYPE_CHECKING:
    from trl.trainer.grpo_config import GRPOConfig

    from leyden_trainers.grpo_trainer import OnlineGRPOTrainer


class Grpo:
    """The `trl-grpo` plugin."""

    name = "trl-grpo"
    requires = frozenset({Requirement.TOKEN_IDS, Requirement.LOGPROBS, Requirement.REWARD, Requirement.GROUP})
    Config: type[TrainerConfig] = GrpoConfig

    def arguments_class(self) -> type[GRPOConfig]:
        """See `plugin.Trainer`."""
        from trl.trainer.grpo_config import GRPOConfig

        arguments: type[GRPOConfig] = GRPOConfig
        return arguments

    def train_online(
        self,
        surroundings: Surroundings,
        *,
        model: str,
        out: Path,
        config: TrainerConfig,
        on_metrics: OnMetrics = ignore,
    ) -> TrainResult:
        """See `plugin.OnlineTrainer`. A rollout weighs the same however many trajectories and turns it has."""
        settings = GrpoConfig.model_validate(config.model_dump())
        _check(settings, surroundings)
        check_output(out)
        check_model(model)
        tasks = _tasks(settings, surroundings, partial_of(out) / "tasks.jsonl")
        function = settings.reward_function()
        runner = settings.start_runner(surroundings.collector)
        with ExitStack() as stack:
            stack.callback(runner.close)
            folder = stack.enter_context(checkpoint_folder(out))
            weights = Path(settings.weights) / f"{out.name}.weights" if settings.weights else folder.parent / "weights"
            serving = _serving(settings, model, weights)
            stack.callback(serving.close)
            judging = Judging(
                function=function,
                failed=settings.failed_reward,
                wait_s=settings.wait_s,
                reward_wait_s=settings.reward_wait_s,
                max_staleness=settings.max_staleness,
            )
            gathering = Gathering(surroundings.store, surroundings.collector, surroundings.token)
            reader = Reader(gathering, judging, surroundings.options, surroundings.on_spans)
            rollouts = Rollouts(runner, reader, tasks, session=surroundings.session)
            return _train(_Source(rollouts, serving), tasks, model, folder, out, settings, on_metrics)


class _Source:
    """Makes steps with the weights of the moment."""

    def __init__(self, rollouts: Rollouts, serving: Serving) -> None:
        self._rollouts = rollouts
        self._serving = serving
        self._policy: Policy | None = None

    def __call__(self, trainer: OnlineGRPOTrainer, task_ids: Sequence[str]) -> Step:
        version, start = trainer.state.global_step, time.monotonic()
        if self._policy is None or self._policy.version != str(version):
            self._policy = self._serving.load(trainer.save_weights, version)
        took = time.monotonic() - start

        def restored() -> Policy | None:
            return None if self._serving.alive() else self._serving.load(trainer.save_weights, version)

        step = self._rollouts.make(task_ids, self._policy, restored=restored)
        return replace(step, counts={**step.counts, "time/weights_s": took})


def _train(
    source: _Source, tasks: Sequence[Task], model: str, folder: Path, out: Path, config: GrpoConfig, told: OnMetrics
) -> TrainResult:
    import torch
    from trl.trainer.grpo_config import GRPOConfig

    from leyden_trainers import running
    from leyden_trainers.grpo_trainer import OnlineGRPOTrainer

    arguments = running.training_arguments(
        GRPOConfig,
        folder,
        config,
        loss_type="grpo",  # a mean over rollouts; in TRL's own default, longer rollouts weigh more
        disable_dropout=True,  # or the ratio would not be 1 where nothing has changed
        bf16=torch.cuda.is_available(),
        gradient_checkpointing=None,
        activation_checkpointing=torch.cuda.is_available(),
    )
    tokenizer = load_tokenizer(model)
    with quiet():
        trainer = OnlineGRPOTrainer(
            source,
            [task.id for task in tasks],
            model=adapted(load_model(model), config),
            args=arguments,
            tokenizer=tokenizer,
        )
    return running.fit(trainer, tokenizer, folder, out, told)


def _check(config: GrpoConfig, surroundings: Surroundings) -> None:
    """Raise SettingInvalid for what does not go together."""
    if config.training.get("use_vllm"):
        raise SettingInvalid("use_vllm: agents ask a server of their own; name one with --set server=URL")
    if surroundings.options.per_turn is not None:
        raise SettingInvalid("trl-grpo gives all turns of a rollout one advantage: leave out --per-turn")
    if surroundings.options.retokenise is not None:
        raise SettingInvalid("trl-grpo trains on tokens that were sampled: leave out --retokenise")


def _tasks(config: GrpoConfig, surroundings: Surroundings, kept: Path) -> list[Task]:
    """The tasks of a file, or of the selected rollouts. The latter are kept for a run that is gone on with."""
    if config.tasks is not None:
        return read_tasks(config.tasks)
    if surroundings.selection is None:
        if kept.is_file():
            return read_tasks(kept)
        raise TasksInvalid("trl-grpo needs tasks: --set tasks=FILE, or rollouts whose tasks to repeat with --query")
    found = tasks_of(surroundings.store, surroundings.selection)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_tasks(kept, found)
    return found


def _serving(config: GrpoConfig, model: str, weights: Path) -> Serving:
    if config.server is None:
        return OwnServer(model, weights, device=config.device, seed=config.training.get("seed"))
    return AnyServer(config.server, weights, model=config.server_model, patience_s=config.server_patience_s)
