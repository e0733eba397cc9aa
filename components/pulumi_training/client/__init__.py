"""Runs as a person meets them.

Here: runs listed, shown, followed, downloaded and cancelled from their records. Not here: how they are printed.
May import: `driver` and below.
"""
