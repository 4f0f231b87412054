"""Triggers at work: judge a condition, train in a process of its own, guard, promote, tell."""
