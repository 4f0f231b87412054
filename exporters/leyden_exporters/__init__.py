"""Transitions, trajectories and dataset formats: from the store's turns to what training reads."""
