"""Reads and digests many files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

CHUNK = 1 << 20
_THREADS = min(8, (os.cpu_count() or 1) + 1)
_FEW = 64


@dataclass(frozen=True)
class Digested:
    """The content's sha256 and the file's stamps after it was read, or why it could not be read."""

    sha256: bytes = b""
    stat: os.stat_result | None = None
    error: OSError | None = None


def digest_files(paths: Sequence[str]) -> list[Digested]:
    """Digests the files at `paths`, in that order; a failure is in its result, not raised."""
    if len(paths) < _FEW:
        return [digest_file(path) for path in paths]
    size = max(_FEW, -(-len(paths) // (_THREADS * 4)))
    parts = [paths[start : start + size] for start in range(0, len(paths), size)]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="digest") as pool:
        return [digested for part in pool.map(_digest_part, parts) for digested in part]


def digest_file(path: str) -> Digested:
    """Digests one file."""
    try:
        # O_NONBLOCK: what was a file when it was listed may be a pipe by now.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            digest = hashlib.sha256(os.read(handle, CHUNK))
            while content := os.read(handle, CHUNK):
                digest.update(content)
            return Digested(digest.digest(), os.fstat(handle))
        finally:
            os.close(handle)
    except OSError as error:
        return Digested(error=error)


def _digest_part(paths: Sequence[str]) -> list[Digested]:
    return [digest_file(path) for path in paths]
