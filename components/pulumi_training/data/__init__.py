"""Datastores: what a run reads and writes beside its source tree.

Here: mount, download, upload and fingerprint of folders and object stores through fsspec. Not here: the run
record. May import: `identity`, `spec`.
"""
