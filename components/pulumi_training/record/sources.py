"""The source trees of runs: one archive per digest, however many runs used it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..spec.errors import Problem, SpecError
from ..spec.refusals import advice
from .store import Store, StoreError

_DIGEST = re.compile(r"^(?:sha256:)?([0-9a-f]{8,128})$")


def key_of(digest: str) -> str:
    """The key of the archive of the tree `digest` (`sha256:<hex>` or the hex alone). Raises `SpecError`."""
    match = _DIGEST.match(digest)
    if not match:
        raise SpecError(Problem("sourceDigest", f"{digest!r} is not a digest (sha256:<hex>)"))
    return f"sources/{match.group(1)}.tar.zst"


def keep(store: Store, tree_folder: Path, digest: str) -> bool:
    """Archives `tree_folder` under `digest` unless it is kept already: whether it was archived now.

    Raises `StoreError`, `TransientError`.
    """
    key = key_of(digest)
    if store.exists(key):
        return False
    from ..identity.archive import archive

    with _scratch() as scratch:
        packed = scratch / "source.tar.zst"
        archive(tree_folder, packed)
        store.upload(packed, key)
    return True


def fetch(store: Store, digest: str, destination: Path) -> None:
    """Unpacks the tree `digest` into `destination`. Raises `NotFound`, `PermanentError` if damaged."""
    from ..identity.archive import extract

    key = key_of(digest)
    local = store.local_path(key)
    if local is not None and local.is_file():
        extract(local, destination)
        return
    with _scratch() as scratch:
        packed = scratch / "source.tar.zst"
        store.download(key, packed)
        extract(packed, destination)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for an archive on its way. Raises `StoreError` where there is no room for it."""
    try:
        with tempfile.TemporaryDirectory(prefix="training-source-") as folder:
            yield Path(folder)
    except OSError as error:
        place = error.filename or tempfile.gettempdir()
        words = advice(error, "another folder for temporary files, by TMPDIR")
        raise StoreError(f"the source could not be packed in {place}: {words}") from error
