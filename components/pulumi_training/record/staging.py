"""Where this machine keeps the working copy of attempts whose store is elsewhere."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


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
