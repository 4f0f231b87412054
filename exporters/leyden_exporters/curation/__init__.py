"""Curation: which of the selected rollouts a data set keeps, and which part of it each belongs to."""

from leyden_exporters.curation.candidates import Candidate, candidate
from leyden_exporters.curation.recipe import Recipe, read_recipe, step_of
from leyden_exporters.curation.splits import Splits
from leyden_exporters.curation.steps import STEPS, Outcome, Step, run_steps

__all__ = [
    "STEPS",
    "Candidate",
    "Outcome",
    "Recipe",
    "Splits",
    "Step",
    "candidate",
    "read_recipe",
    "run_steps",
    "step_of",
]
