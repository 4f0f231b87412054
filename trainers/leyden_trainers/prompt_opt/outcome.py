"""What comes of a search: a new version of the prompt, whether it is surely better, and a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from leyden_store.evaluations import Comparison, Evaluation
from leyden_store.prompts import Prompt
from leyden_trainers.evaluation.comparing import compare
from leyden_trainers.evaluation.evaluating import Plan, evaluate
from leyden_trainers.evaluation.rolling import Rolling
from leyden_trainers.online.runner import Policy
from leyden_trainers.online.tasks import Task
from leyden_trainers.plugin import Surroundings
from leyden_trainers.prompt_opt.candidates import Candidate, ranked
from leyden_trainers.prompt_opt.config import PromptOptConfig
from leyden_trainers.prompt_opt.search import Search


def save(
    surroundings: Surroundings, config: PromptOptConfig, start: Prompt, first: Candidate, best: Candidate
) -> Prompt | None:
    """The winner as a new version, with where it came from; None when nothing earned more than the start."""
    if best is first or ranked([first, best])[0] is not best:
        return None
    found = best.told()
    lineage = [{"critique": one.critique, "mean": one.told()["mean"]} for one in best.lineage[1:]]
    return surroundings.store.prompts.save(
        start.name,
        best.text,
        description=f"prompt-opt from version {start.version}",
        parent=start.version,
        origin={
            "trainer": "prompt-opt",
            "run_id": surroundings.session,
            "critique": best.critique,
            "score": found["mean"],
            "score_of_parent": first.told()["mean"],
            "tasks": found["tasks"],
            "lineage": lineage,
            "llm": config.llm,
        },
    )


def on_held_out(
    surroundings: Surroundings,
    config: PromptOptConfig,
    rolling: Rolling,
    policy: Policy,
    start: Prompt,
    saved: Prompt,
    held_out: Sequence[Task],
) -> Comparison:
    """The start and the winner on tasks the search has not seen; labels the winner if it surely is better and asked."""

    def evaluated(prompt: Prompt) -> Evaluation:
        plan = Plan(
            name=f"{prompt.name}@{prompt.version}",
            agent=config.agent,
            tasks=held_out,
            policy=policy,
            tasks_from=f"held out by run {surroundings.session}",
            prompt=prompt,
            attempts=config.attempts,
            reward=rolling.function.name if rolling.function else surroundings.options.reward,
        )
        return evaluate(plan, rolling)

    evaluations, prompts = surroundings.store.evaluations, surroundings.store.prompts
    before, after = evaluated(start), evaluated(saved)
    verdict = compare(evaluations, before, after, reward=before.config.get("reward"))
    if config.label is not None and verdict.winner == "b":
        prompts.label(saved.name, config.label, saved.version, owner="prompt-opt")
    return verdict


def write_report(
    folder: Path, search: Search, start: Prompt, best: Candidate, saved: Prompt | None, verdict: Comparison | None
) -> None:
    """`prompt.txt`, the best template, and `report.json`, all that were tried."""
    report = {
        "prompt": start.name,
        "start_version": start.version,
        "saved_version": saved.version if saved else None,
        "stopped": search.stopped,
        "verdict": verdict.to_json() if verdict else None,
        "best": best.number,
        "candidates": [one.told() for one in search.candidates],
        "llm": dict(search.proposer.counts),
    }
    (folder / "prompt.txt").write_text(best.text, encoding="utf-8")
    (folder / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=2), encoding="utf-8")


def metrics_of(
    search: Search, best: Candidate, saved: Prompt | None, verdict: Comparison | None, made: int
) -> dict[str, float]:
    """What the run says it came to."""
    means = {"reward/start": search.candidates[0].told()["mean"], "reward/best": best.told()["mean"]}
    found = {name: mean for name, mean in means.items() if mean is not None}
    found |= {"rollouts": float(made), "candidates": float(len(search.candidates))}
    if saved is not None:
        found["prompt_version"] = float(saved.version)
    if verdict is not None:
        measure = verdict.measures[0]
        found |= {"held_out/start": measure["a"], "held_out/best": measure["b"], "held_out/p": measure["p"]}
    return found
