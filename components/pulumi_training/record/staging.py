"""This user's folder on this machine: what must survive a reboot, and copies of attempts whose store is elsewhere."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from .files import create_whole


def state_folder() -> Path:
    """This user's folder for what must survive a reboot: `TRAINING_STATE_DIR`, else the platform's own."""
    chosen = os.environ.get("TRAINING_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_state_dir("pulumi-training", appauthor=False))


def staging_folder(store_url: str, run_id: str, attempt: int) -> Path:
    """The folder of one attempt; the same for every process of this user."""
    store = hashlib.sha256(store_url.rstrip("/").encode()).hexdigest()[:16]
    return state_folder() / "staging" / store / run_id / "attempts" / str(attempt)


def plan_file(store_url: str, run_id: str) -> Path:
    """Where the plan of a run's last preview is kept. The store tells it from another checkout's run of that id."""
    store = hashlib.sha256(store_url.rstrip("/").encode()).hexdigest()[:10]
    return state_folder() / "plans" / f"{run_id}-{store}.json"


def state_id() -> str:
    """What tells this user's state folder apart from every other: 32 hex digits, made once.

    Raises:
        OSError: the folder cannot be written.
    """
    path = state_folder() / "id"
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        create_whole(path, uuid.uuid4().hex.encode())  # or another process does, at the same time
        return path.read_text("ascii")
