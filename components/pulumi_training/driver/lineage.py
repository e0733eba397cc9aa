"""Where a run's source came from: the git commit, and whether the tree had changes beside it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

_SECONDS = 10


def git_state(source: Path) -> dict[str, Any] | None:
    """`{"commit", "branch", "dirty"}` of the repository that `source` is in, or None where there is none.

    `dirty` tells of changes below `source` only. No git, or one that does not answer, is as no repository.
    """
    if not _may_be_in_repository(source.resolve()):
        return None
    wanted_at = time.monotonic()
    with _guard:
        turn = _turns.setdefault(source, threading.Lock())
    with turn:
        asked_at, state = _known.get(source, (float("-inf"), None))
        if asked_at < wanted_at:  # else somebody asked while this one waited, as where a thousand runs begin
            asked_at = time.monotonic()
            state = _asked(source)
            _known[source] = asked_at, state
    return state


def _asked(source: Path) -> dict[str, Any] | None:
    commit = _git(source, "rev-parse", "HEAD")
    if commit is None:
        return None
    branch = _git(source, "rev-parse", "--abbrev-ref", "HEAD")
    changes = _git(source, "status", "--porcelain", "--", ".")
    return {"commit": commit, "branch": None if branch == "HEAD" else branch, "dirty": bool(changes)}


def _may_be_in_repository(folder: Path) -> bool:
    """Whether git would find a repository; without one no process is started to ask."""
    return "GIT_DIR" in os.environ or any((place / ".git").exists() for place in (folder, *folder.parents))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


_guard = threading.Lock()
_turns: dict[Path, threading.Lock] = {}
_known: dict[Path, tuple[float, dict[str, Any] | None]] = {}
"""By source: when git was asked last, and what it said."""
