"""Rollouts that workers anywhere pull: a durable queue with leases, in a file beside the spool."""
