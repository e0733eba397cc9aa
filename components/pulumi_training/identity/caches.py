"""Where this layer keeps what it may lose: stat caches and manifests of trees seen."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder `name` of the user's cache; `TRAINING_CACHE_DIR` moves the whole cache. Not created here."""
    override = os.environ.get("TRAINING_CACHE_DIR")
    if override:
        return Path(override).expanduser() / name
    from platformdirs import user_cache_path

    return user_cache_path("pulumi-training") / name


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces `path` by `content` in one step, folders included, safe beside other writers. Raises OSError.

    There is no fsync: these files are caches, and their readers notice a torn one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
