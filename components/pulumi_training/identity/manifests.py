"""The manifests of trees seen on this machine, so that a Diff can name the files that changed.

A state holds only the digest of the old tree. What is not found here only makes the message shorter.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from ..spec.document import object_or_none
from .caches import cache_folder, write_atomic
from .tree import Tree

KEPT = 200
"""Manifests kept, the most recently used ones. One of 20,000 files takes about 2 MB, most take a few KB."""
KEPT_BYTES = 64 * 2**20


def remember(tree: Tree, *, folder: Path | None = None) -> None:
    """Keeps the manifest of `tree`; costs one system call where it is kept already."""
    folder = folder or cache_folder("manifests")
    path = _path(folder, tree.digest)
    # A cache that cannot be written must not stop a run.
    with suppress(OSError):
        if path.exists():
            os.utime(path)
            return
        write_atomic(path, json.dumps(tree.manifest(), separators=(",", ":")).encode("ascii"))
        _prune(folder)


def recall(digest: str, *, folder: Path | None = None) -> dict[str, str] | None:
    """path -> sha256 of the tree with `digest`, or None where it was never seen here or was forgotten."""
    try:
        manifest = object_or_none(_path(folder or cache_folder("manifests"), digest).read_bytes())
    except OSError:
        return None
    if manifest is None or not all(isinstance(value, str) for value in manifest.values()):
        return None
    return manifest


def _path(folder: Path, digest: str) -> Path:
    # A digest may come from a user; only its harmless characters make the name.
    return folder / ("".join(c if c.isascii() and c.isalnum() else "-" for c in digest)[:120] + ".json")


def _prune(folder: Path) -> None:
    with os.scandir(folder) as listing:
        found = sorted(
            (
                (entry.stat().st_mtime_ns, entry.stat().st_size, entry.path)
                for entry in listing
                if entry.name.endswith(".json")
            ),
            reverse=True,
        )
    total = 0
    for place, (_, size, path) in enumerate(found):
        total += size
        if place and (place >= KEPT or total > KEPT_BYTES):
            Path(path).unlink(missing_ok=True)
