"""The record: what is kept of a run for ever.

Here: the store (any fsspec URL), the documents of a run and its attempts, events, ranks, manifest, the lock
of the one driver, and the list of workspaces seen on this machine. Not here: opinions on what the facts
mean.
May import: `identity`, `spec`.
"""
