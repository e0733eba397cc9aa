"""What a script resumes from: TRAINING_RESUME_FROM."""

from __future__ import annotations

from pathlib import Path

from ..record.attempt import Attempt
from ..record.notes import Notes
from ..record.record import Record
from ..spec.errors import PermanentError
from ..spec.outcome import Reason


def resume_folder(record: Record, attempt: Attempt, named: str | None, base: Path) -> str | None:
    """The folder of outputs that an attempt resumes from, or None.

    A retry resumes from the newest attempt of its series that left any output, and an attempt that follows a
    failure which was not the script's from the one before; else the job's `resumeFrom` counts: a run id of the
    same store, a folder, or a URL, which is brought here first.

    Raises:
        PermanentError: what `resumeFrom` names is not there.
    """
    for number in _attempts_before(attempt.document().notes):
        outputs = record.attempt(number).folder / "outputs"
        if outputs.is_dir() and any(outputs.iterdir()):
            return str(outputs)
    if not named:
        return None
    if "://" in named:
        return str(_brought(named, attempt))
    if "/" in named or named.startswith("."):
        folder = (base / named).resolve()
        if not folder.is_dir():
            raise PermanentError(
                Reason.DATA_UNAVAILABLE, f"resumeFrom names the folder {folder}, which does not exist"
            )
        return str(folder)
    other = Record(record.store, named).newest()
    if other is None:
        raise PermanentError(
            Reason.DATA_UNAVAILABLE, f"resumeFrom names run {named!r}, which is not in {record.store.display}"
        )
    return str(other.folder / "outputs")


def _attempts_before(notes: Notes) -> list[int]:
    """The attempts whose outputs count, the newest first."""
    series = range(notes.retry_of, (notes.series_start or notes.retry_of) - 1, -1) if notes.retry_of else ()
    return [*series, *([notes.resumes] if notes.resumes else [])]


def _brought(url: str, attempt: Attempt) -> Path:
    from ..data.transfer import download

    destination = attempt.folder / "launch" / "resume"
    download(url, destination)
    return destination
