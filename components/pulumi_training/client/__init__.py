"""Runs as a person meets them: found by name, looked at, followed, downloaded.

Here: pure functions that return frozen dataclasses, and generators where things come bit by bit. Not here:
printing (that is `cli`), Pulumi's protocol (`provider`), and the rules of a run's course (`driver`).
May import: `driver` and below.
"""
