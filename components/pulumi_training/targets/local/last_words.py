"""The last words of a run whose own folder took none: kept in this user's state folder until it does."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...agent.beneath import read_beneath
from ...record.files import write_whole
from ...record.staging import state_folder
from ...spec.document import object_or_none


def spare_folder(folder: Path) -> Path:
    """Where the agent leaves what the attempt's folder, full or read-only, does not take."""
    digest = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return state_folder() / "last-words" / f"{digest}-{folder.name}"


def recover(folder: Path) -> None:
    """Brings last words home as soon as their own folder takes them; until then they are read where they are."""
    spare = spare_folder(folder)
    if not spare.is_dir():
        return
    with suppress(OSError):
        for path in sorted(spare.glob("*/*.json")):
            write_whole(folder / path.relative_to(spare), path.read_bytes())
        shutil.rmtree(spare)


def read(folder: Path, name: str) -> dict[str, Any]:
    """A document of the attempt, or of what is not home yet; {} where there is none that can be read."""
    return _read(spare_folder(folder), name) or _read(folder, name)


def read_all(folder: Path, part: str) -> list[dict[str, Any]]:
    """Every document of a part of the attempt."""
    spare = spare_folder(folder)
    names = {path.name for root in (folder, spare) for path in (root / part).glob("*.json")}
    return [read(folder, f"{part}/{name}") for name in sorted(names)]


def exists(folder: Path, name: str) -> bool:
    """Whether a document of the attempt is anywhere."""
    return (folder / name).exists() or (spare_folder(folder) / name).exists()


def forget(folder: Path) -> None:
    """Takes away what is kept of an attempt that nobody asks for any more."""
    shutil.rmtree(spare_folder(folder), ignore_errors=True)


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        with read_beneath(str(folder), name) as stream:
            return object_or_none(stream.read()) or {}
    except OSError:
        return {}
