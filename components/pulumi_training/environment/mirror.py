"""A mirror of this machine's folders: files at their own absolute places, below a folder of an attempt.

`../req.txt` leads from a mirrored source directory to the mirrored file, and so does its absolute path, for whoever
reads through `reflected`. What is not mirrored is found in the attempt's copy of the tree, or where it is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = ".~environment"
"""In an attempt's folder; of a name that is brought to no remote store, as requirements may hold logins of indexes."""
_TREE = "tree"
_SEAL = "mirror.json"
"""Written last, beside the tree: without it there is no mirror."""


def inside(mirror: Path, path: Path) -> Path:
    """Where `path`, absolute, is in the mirror."""
    return mirror / _TREE / os.path.normpath(path).lstrip("/")


def copy(mirror: Path, path: Path) -> None:
    """Copies a file; where links lead to it, one leads to it in the mirror too. Readable by its owner only."""
    real = path.resolve()
    target, place = inside(mirror, real), inside(mirror, path)
    if not target.exists():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(real, target)
        target.chmod(0o600)
    if place != target and not os.path.lexists(place):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(target, place.parent))


def seal(mirror: Path, root: Path, counted: Mapping[str, str]) -> None:
    """Says that the mirror is whole, which source directory it is of, and what must still be as it was counted."""
    inside(mirror, root).mkdir(parents=True, exist_ok=True)
    text = json.dumps({"root": str(root), "counted": dict(counted)})
    (mirror / _SEAL).write_text(text, encoding="utf-8")


def sealed(mirror: Path) -> dict[str, Any] | None:
    """What `seal` wrote; None where there is no mirror."""
    try:
        found: dict[str, Any] = json.loads((mirror / _SEAL).read_bytes())
    except FileNotFoundError:
        return None
    return found


def reflected(source: Path, path: Path) -> Path:
    """`path`, absolute, for a reader below `source`: the mirrored file where `source` is in a mirror that has it."""
    mirror = next(
        (f.parent for f in source.parents if f.name == _TREE and (f.parent / _SEAL).is_file()), None
    )
    facts = sealed(mirror) if mirror is not None else None
    if mirror is None or facts is None:
        return path
    tree, root = mirror / _TREE, Path(facts["root"])
    original = Path("/") / path.relative_to(tree) if path.is_relative_to(tree) else path
    mirrored = inside(mirror, original)
    if mirrored.is_file():
        return mirrored
    if original.is_relative_to(root):
        copied = mirror.parent / "code" / original.relative_to(root)
        return copied if copied.exists() else original
    return original
