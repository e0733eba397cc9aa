"""What makes two runs the same, and why they differ.

Here: ignore rules, the digest of a source tree, its stat cache and verified copy, its archive, the entry
script's place in it, the run key, the run id, and `why`. Reads files under a source directory and its own
cache; nothing else. May import: `spec`, pathspec, platformdirs, zstandard.
"""
