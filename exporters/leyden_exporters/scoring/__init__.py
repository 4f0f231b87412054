"""Scoring: reward functions over rollouts that are stored already."""

from leyden_exporters.scoring.plugin import GROUP, Case, RewardFunction, Score, find_reward, reference_of

__all__ = ["GROUP", "Case", "RewardFunction", "Score", "find_reward", "reference_of"]
