"""Training on what the store holds: trainer plugins, the runs that are recorded of them, and a policy server.

`plugin.py` says what a trainer is; `job.py` runs one on a selection.
"""
