"""Rollouts made while training: tasks, the runners that have agents do them, and what a step takes from the store.

`runner.py` says what a runner is; `local.py` is the one that needs nothing but this machine.
"""
