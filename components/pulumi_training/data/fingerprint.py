"""What stands for the content of data in a run's key: equal data, equal fingerprint."""

from __future__ import annotations

import hashlib
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.urls import on_compute
from .references import Place, require

if TYPE_CHECKING:
    from ..identity.stat_cache import StatCache


class Thoroughness(str, Enum):
    """How closely to look.

    `CONTENT`: paths, sizes and sha256 of a folder (only changed files are read), and of an object store each
    object's checksum, ETag or time of change, the best the service tells. `FAST`: paths and sizes only, for
    trees too large to read; a change that keeps the size goes unseen.
    """

    CONTENT = "content"
    FAST = "fast"


def fingerprint(
    uri: str | Place,
    *,
    base: Path | None = None,
    path: str = "inputs",
    thoroughness: Thoroughness = Thoroughness.CONTENT,
    cache: StatCache | None = None,
) -> str:
    """`v1:<64 hex>` of the data at `uri`; no mtime, owner or absolute path is in it.

    A folder and its copy in an object store have different fingerprints: a service's checksum is not ours.
    Raises `SpecError` at the property `path` for data that is not there (with near names) or cannot be read,
    `TransientError` and `PermanentError(DATA_UNAVAILABLE)` for a store that does not answer or refuses.
    Data that is where containers run cannot be looked at from here: its URL alone stands for it.
    """
    if isinstance(uri, str) and on_compute(uri) is not None:
        return f"v1:{hashlib.sha256(uri.strip().encode()).hexdigest()}"
    place = require(uri, base=base, path=path)
    is_fast = thoroughness is Thoroughness.FAST
    lines: list[str]
    if place.local is not None:
        from .folder import digests_of, files_of

        files = files_of(place.local)
        contents = {} if is_fast else digests_of(place.local, files, cache)
        lines = [f"{name}\0{at.st_size}\0{contents.get(name, b'').hex()}\n" for name, at in files]
    else:
        from .objects import Objects

        lines = [f"{o.path}\0{o.size}\0{'' if is_fast else o.mark}\n" for o in Objects(place).files()]
    digest = hashlib.sha256(f"training data 1 {thoroughness.value}\n".encode())
    for line in lines:
        digest.update(line.encode("utf-8", "surrogateescape"))
    return f"v1:{digest.hexdigest()}"
