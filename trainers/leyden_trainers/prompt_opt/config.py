"""The settings of `prompt-opt`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from leyden_trainers.online.config import OnlineConfig
from leyden_trainers.plugin import TrainerConfig


class PromptOptConfig(OnlineConfig):
    """prompt: where the search starts: `NAME`, `NAME@VERSION` or `NAME@LABEL` of a saved prompt that the agent asks for
    llm:       the model that criticises and edits: `http://HOST:PORT/v1/NAME` of an OpenAI-compatible server; its key
               is LEYDEN_LLM_KEY, else OPENAI_API_KEY
    temperature: of critiques and edits
    rounds:    rounds of critique, edit and selection
    beam:      prompts kept after each round
    critiques: critiques of each prompt of the beam a round, each of rollouts drawn anew
    edits:     edits after each critique
    shown:     rollouts a critique is shown, those that earned least
    minibatch: tasks that every new prompt is tried on; those that do well are tried on more, at last on all
    holdout:   share of the tasks that the search never sees: the winner and the start are compared on these
    attempts:  rollouts of each of them
    label:     given to the winner when it is surely better than the start on the held-out tasks; None gives none
    longest:   characters a template may have
    max_rollouts: budget of rollouts, those on held-out tasks included
    max_llm_calls: budget of requests to the model, those that fail included
    llm_tries: requests for one critique or edit, until one is of use
    seed:      of what is drawn, and of the model's requests
    """

    prompt: str
    llm: str
    temperature: float = Field(default=0.7, ge=0)
    rounds: int = Field(default=3, ge=1)
    beam: int = Field(default=2, ge=1)
    critiques: int = Field(default=2, ge=1)
    edits: int = Field(default=2, ge=1)
    shown: int = Field(default=4, ge=1)
    minibatch: int = Field(default=8, ge=1)
    holdout: float = Field(default=0.3, ge=0, lt=1)
    attempts: int = Field(default=1, ge=1)
    label: str | None = None
    longest: int = Field(default=20_000, ge=1)
    max_rollouts: int = Field(default=1000, ge=1)
    max_llm_calls: int = Field(default=200, ge=1)
    llm_tries: int = Field(default=3, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _trains_no_weights(self) -> Self:
        common = set(TrainerConfig.model_fields) & self.model_fields_set - {"training"}
        if common:
            raise ValueError(f"prompt-opt trains no weights: leave out {', '.join(sorted(common))}")
        return self
