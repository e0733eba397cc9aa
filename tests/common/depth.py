"""How deep a run of the tests goes: `whole`, every row of the fault matrix, or `cut`, each kind of fault once for each target.

Which row of a kind the cut has changes with the commit, so that all come in turn.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

VARIABLE = "TRAINING_FAULTS"


def is_whole() -> bool:
    """Whether all rows were asked for; without a word it is the cut."""
    return os.environ.get(VARIABLE) == "whole"


def cut(rows: Iterable[tuple[str, str]], commit: str) -> set[str]:
    """The rows of a cut; each comes with its kind, and of each kind there is one."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for row, kind in rows:
        kinds[kind].append(row)
    return {_one(kind, of_kind, commit) for kind, of_kind in kinds.items()}


def commit_of(folder: Path) -> str:
    """The commit that is checked out, or nothing."""
    done = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _one(kind: str, rows: Sequence[str], commit: str) -> str:
    number = int.from_bytes(hashlib.sha256(f"{commit} {kind}".encode()).digest()[:8], "big")
    return sorted(rows)[number % len(rows)]
