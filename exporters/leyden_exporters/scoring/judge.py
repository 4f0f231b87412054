"""A language model as judge: any OpenAI-compatible endpoint, a rubric, several opinions and how far they agree."""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Self

from leyden_exporters.curation.candidates import text_of
from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.llm import Llm, LlmFailed, Useless, key_of
from leyden_exporters.scoring.matching import known, last_json
from leyden_exporters.scoring.plugin import Case, Score

_ASK = """You judge what an agent did. Rubric:
{rubric}

Answer with one JSON object alone: {{"score": a number from 0 (worst) to 1 (best), "reason": "a sentence"}}"""

_TRIES = 3
_MOST_CHARS = 60_000
"""Of a conversation, its end: what a judge reads of a long one."""


class JudgeFailed(Exception):
    """The judge could not be asked, or gave no score."""


@dataclass(frozen=True, slots=True)
class Judge:
    """The mean of `repeats` opinions; their agreement is 1 less the mean distance between two of them.

    url: up to and with `/v1`; rubric: text, or `@FILE`; key: of the variable LEYDEN_JUDGE_KEY, else OPENAI_API_KEY
    """

    url: str
    model: str
    rubric: str
    repeats: int = 3
    temperature: float = 0.7
    name: str = "judge"

    @classmethod
    def from_settings(cls, settings: dict[str, str]) -> Self:
        """Reads `url`, `model`, `rubric`, `repeats` and `temperature`. Raises OptionsInvalid."""
        known(settings, {"url", "model", "rubric", "repeats", "temperature"}, "judge")
        missing = [name for name in ("url", "model", "rubric") if not settings.get(name)]
        if missing:
            raise OptionsInvalid(f"the judge needs {', '.join(missing)}: give --set {missing[0]}=…")
        if not settings["url"].startswith(("http://", "https://")):
            raise OptionsInvalid(f"the judge's url is http:// or https://, not {settings['url']!r}")
        rubric = settings["rubric"]
        try:
            if rubric.startswith("@"):
                rubric = Path(rubric[1:]).read_text(encoding="utf-8")
            repeats, temperature = int(settings.get("repeats", 3)), float(settings.get("temperature", 0.7))
        except (OSError, ValueError) as error:
            raise OptionsInvalid(f"the judge's settings cannot be read: {error}") from error
        if repeats < 1:
            raise OptionsInvalid("the judge is asked at least once")
        return cls(settings["url"].rstrip("/"), settings["model"], rubric, repeats, temperature)

    @property
    def version(self) -> str:
        """Of model and rubric: another rubric's scores stand beside."""
        told = f"1\0{self.model}\0{self.rubric}\0{self.repeats}\0{self.temperature}"
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    def __call__(self, case: Case) -> Score:
        """Ask, and ask again. Raises JudgeFailed when one of the opinions cannot be had."""
        messages = [
            {"role": "system", "content": _ASK.format(rubric=self.rubric)},
            {"role": "user", "content": transcript(case)},
        ]
        opinions = [self._opinion(messages, seed) for seed in range(self.repeats)]
        scores = [score for score, _ in opinions]
        apart = [abs(one - other) for one, other in combinations(scores, 2)]
        agreement = 1.0 - (statistics.fmean(apart) if apart else 0.0)
        middle = min(opinions, key=lambda one: abs(one[0] - statistics.median(scores)))
        explanation = f"{middle[1]} ({', '.join(f'{score:g}' for score in scores)})"
        return Score(statistics.fmean(scores), f"agreement {agreement:.2f}", explanation, agreement)

    def _opinion(self, messages: list[dict[str, str]], seed: int) -> tuple[float, str]:
        llm = Llm(self.url, self.model, self.temperature, key_of("LEYDEN_JUDGE_KEY", "OPENAI_API_KEY"))
        try:
            return llm.ask(messages, [seed + attempt * self.repeats for attempt in range(_TRIES)], _read)
        except LlmFailed as error:
            raise JudgeFailed(f"the judge {error}") from error


def transcript(case: Case) -> str:
    """The rollout as a judge reads it: every message of its longest conversation, and the last reply."""
    turns = [turn for turn in case.rollout.turns if turn.response]
    if not turns:
        raise JudgeFailed("the rollout has no reply to judge")
    longest = max(turns, key=lambda turn: (len(turn.messages), turn.turn_index))
    messages = [*longest.messages, *([longest.response] if longest.response else [])]
    said = "\n\n".join(f"[{message.get('role')}]\n{text_of(message)}" for message in messages)[-_MOST_CHARS:]
    return said if case.reference is None else f"{said}\n\n[the right answer, for you alone]\n{case.reference}"


def _read(answer: str) -> tuple[float, str]:
    found = last_json(answer)
    value = found[0] if found else None
    score = value.get("score") if isinstance(value, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise Useless(f"no score from 0 to 1 in {answer[:100]!r}")
    return float(score), str(value.get("reason", "") if isinstance(value, dict) else "")
