"""`prompt-opt`: finds a better prompt for an agent, saves it as a new version, and says whether it is surely better."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, cast

from leyden_exporters.llm import Llm, key_of
from leyden_trainers.checkpoints import check_output, checkpoint_folder
from leyden_trainers.errors import LlmLost, SettingInvalid, TasksInvalid
from leyden_trainers.evaluation.rolling import Rolling
from leyden_trainers.evaluation.subjects import policy_at
from leyden_trainers.online.gathering import Gathering
from leyden_trainers.online.tasks import Task, read_tasks, tasks_of
from leyden_trainers.plugin import OnMetrics, Requirement, Surroundings, TrainerConfig, TrainResult, ignore
from leyden_trainers.prompt_opt.config import PromptOptConfig
from leyden_trainers.prompt_opt.outcome import metrics_of, on_held_out, save, write_report
from leyden_trainers.prompt_opt.proposing import Proposer
from leyden_trainers.prompt_opt.search import Search, Width
from leyden_trainers.prompt_opt.trying import Rollouts

if TYPE_CHECKING:
    from transformers import TrainingArguments


@dataclass
class _NoArguments:
    """transformers trains nothing here."""


class PromptOpt:
    """The `prompt-opt` plugin. Its checkpoint is a folder with the best prompt and a report of all that were tried."""

    name = "prompt-opt"
    requires: frozenset[Requirement] = frozenset({Requirement.REWARD})
    Config: type[TrainerConfig] = PromptOptConfig

    def arguments_class(self) -> type[TrainingArguments]:
        """See `plugin.Trainer`."""
        return cast("type[TrainingArguments]", _NoArguments)

    def train_online(
        self,
        surroundings: Surroundings,
        *,
        model: str,
        out: Path,
        config: TrainerConfig,
        on_metrics: OnMetrics = ignore,
    ) -> TrainResult:
        """See `plugin.OnlineTrainer`. model: what agents ask, `http://HOST:PORT/v1/NAME` or a name at $OPENAI_BASE_URL.

        Raises PromptNotFound, TasksInvalid, SettingInvalid, EvaluationInvalid, and LlmLost when no edit was of use.
        """
        settings = PromptOptConfig.model_validate(config.model_dump(exclude_defaults=True))
        check_output(out)
        start = surroundings.store.prompts.find(settings.prompt)
        tried, held_out = _split(_tasks(settings, surroundings), settings)
        policy, function = policy_at(model), settings.reward_function()
        proposer = _proposer(settings)
        runner = settings.start_runner(surroundings.collector)
        with closing(runner), checkpoint_folder(out) as folder:
            gathering = Gathering(surroundings.store, surroundings.collector, surroundings.token)
            rolling = Rolling(runner, gathering, function, settings.wait_s, settings.reward_wait_s)
            trying = Rollouts(
                rolling,
                {task.id: task for task in tried},
                policy,
                start,
                surroundings.session,
                function.name if function else surroundings.options.reward,
                settings.attempts,
                settings.max_rollouts - 2 * len(held_out) * settings.attempts,
                surroundings.on_spans,
            )
            search = Search(
                Width(
                    settings.rounds,
                    settings.beam,
                    settings.critiques,
                    settings.edits,
                    settings.shown,
                    settings.minibatch,
                ),
                [task.id for task in tried],
                trying,
                proposer,
                Random(settings.seed),  # noqa: S311 - to be the same each time
            )
            best = search.run(start.text, on_metrics)
            if len(search.candidates) == 1:
                why = proposer.last_failure or search.stopped or "its edits were the template itself"
                raise LlmLost(f"the model gave no edit of use: {why}")
            saved = save(surroundings, settings, start, search.candidates[0], best)
            verdict = None
            if saved is not None and held_out:
                verdict = on_held_out(surroundings, settings, rolling, policy, start, saved, held_out)
            write_report(folder, search, start, best, saved, verdict)
            metrics = metrics_of(search, best, saved, verdict, trying.made)
            on_metrics(settings.rounds, metrics)
            return TrainResult(out, settings.rounds, metrics)


def _tasks(config: PromptOptConfig, surroundings: Surroundings) -> list[Task]:
    if config.tasks is not None:
        return read_tasks(config.tasks)
    if surroundings.selection is None:
        raise TasksInvalid("prompt-opt needs tasks: --set tasks=FILE, or rollouts whose tasks to repeat with --query")
    return tasks_of(surroundings.store, surroundings.selection)


def _split(tasks: Sequence[Task], config: PromptOptConfig) -> tuple[list[Task], list[Task]]:
    """Tasks to search with, and those held out; drawn by the seed, whatever their order. Raises SettingInvalid."""
    random = Random(config.seed)  # noqa: S311 - to be the same each time
    drawn = random.sample(sorted(tasks, key=lambda task: task.id), len(tasks))
    held_out = min(len(tasks) - 1, round(len(tasks) * config.holdout))
    tried = len(tasks) - held_out
    least = (min(config.minibatch, tried) + 2 * held_out) * config.attempts
    if config.max_rollouts < least:
        raise SettingInvalid(
            f"max_rollouts={config.max_rollouts} is less than the {least} that the start and the held-out tasks need"
        )
    return drawn[held_out:], drawn[:held_out]


def _proposer(config: PromptOptConfig) -> Proposer:
    asked = policy_at(config.llm)
    if not asked.base_url or not asked.model:
        raise SettingInvalid(f"llm={config.llm!r} names no model: write http://HOST:PORT/v1/NAME")
    llm = Llm(asked.base_url, asked.model, config.temperature, key_of("LEYDEN_LLM_KEY", "OPENAI_API_KEY"))
    return Proposer(llm, config.llm_tries, config.max_llm_calls, config.longest, config.seed)
