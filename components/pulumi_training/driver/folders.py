"""The folders that a script writes and that are the record's own."""

from __future__ import annotations

from pathlib import Path


def link_folders(code: Path) -> None:
    """Makes `./outputs` and `./logs` of a run's copy of the source lead into its attempt's folder."""
    for name in ("outputs", "logs"):
        (code / name).symlink_to(Path("..") / name, target_is_directory=True)
