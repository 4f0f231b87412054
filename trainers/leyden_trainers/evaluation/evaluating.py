"""An evaluation from its first rollout to its row in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from leyden_store.evaluations import Evaluation
from leyden_store.prompts import Prompt
from leyden_store.runs import new_id
from leyden_trainers.errors import EvaluationInvalid
from leyden_trainers.evaluation.measures import summary_of
from leyden_trainers.evaluation.rolling import Rolling
from leyden_trainers.online.runner import Policy
from leyden_trainers.online.tasks import Task


@dataclass(frozen=True, slots=True)
class Plan:
    """What is evaluated, and on what.

    name:       what the evaluation is called; evaluations of one name are of different times
    agent:      as the runner starts it
    tasks_from: the file or saved query of the tasks, to be told
    prompt:     the version that agents get for `leyden.prompt` of its name; None leaves it to its label
    checkpoint: the folder that the policy serves, "" for a model that was served already
    reward:     the reward that decides; rollouts may have others beside it
    config:     further settings, to be told
    """

    name: str
    agent: str
    tasks: Sequence[Task]
    policy: Policy
    tasks_from: str = ""
    prompt: Prompt | None = None
    checkpoint: str = ""
    attempts: int = 1
    reward: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


def evaluate(plan: Plan, rolling: Rolling) -> Evaluation:
    """Make the rollouts, judge them, and record all of it. Rollouts that fail are counted and have no reward.

    Raises EvaluationInvalid, recorded too, when no rollout has a reward or none used the prompt.
    """
    evaluations, prompt, policy = rolling.gathering.store.evaluations, plan.prompt, plan.policy
    if prompt is not None:
        policy = replace(policy, prompts={prompt.name: {"version": prompt.version, "text": prompt.text}})
    begun = evaluations.start(
        Evaluation(
            evaluation_id=new_id(),
            name=plan.name,
            agent=plan.agent,
            tasks=plan.tasks_from,
            tasks_hash=hash_of(plan.tasks),
            model=policy.model,
            policy_version=policy.version,
            prompt=prompt.name if prompt else "",
            prompt_version=str(prompt.version) if prompt else "",
            checkpoint=plan.checkpoint,
            config={**plan.config, "attempts": plan.attempts, "reward": plan.reward},
            code_version=version("leyden"),
        )
    )
    try:
        session = f"eval-{begun.evaluation_id}"
        rollouts = rolling.make(plan.tasks, policy, session=session, attempts=plan.attempts)
        summary = summary_of(rollouts)
        if prompt is not None:
            used = len(rolling.prompted(rollouts, prompt.name, str(prompt.version)))
            summary["without_prompt"] = len(rollouts) - used
            if not used:
                evaluations.fail(begun, "no rollout used the prompt", rollouts)
                raise EvaluationInvalid(
                    f"no rollout used the prompt {prompt.name!r}: the agent is to ask for it with "
                    f"leyden.prompt({prompt.name!r}).fill(…){_first_error(rollouts)}"
                )
        if not summary["rewards"] or plan.reward not in (None, *summary["rewards"]):
            had = f"; they have {', '.join(summary['rewards'])}" if summary["rewards"] else ": name a function"
            said = f"no rollout has a reward{f' {plan.reward!r}' if plan.reward else ''}{had}{_first_error(rollouts)}"
            evaluations.fail(begun, said, rollouts)
            raise EvaluationInvalid(said)
        return evaluations.succeed(begun, rollouts, summary)
    except EvaluationInvalid:
        raise
    except BaseException as error:
        evaluations.fail(begun, f"{type(error).__name__}: {error}")
        raise


def hash_of(tasks: Sequence[Task]) -> str:
    """SHA-256 over the tasks' ids and inputs, whatever their order."""
    told = sorted(json.dumps([task.id, task.input], sort_keys=True, default=str) for task in tasks)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _first_error(rollouts: Sequence[Any]) -> str:
    return next((f" ({one.error})" for one in rollouts if one.error), "")
