"""The labels of a run: those its script gave, those it was declared with, and those people gave it later."""

from __future__ import annotations

from collections.abc import Mapping

from .attempt import Attempt
from .documents import RunDocument


def tags_of(run: RunDocument, attempt: Attempt | None) -> dict[str, str]:
    """All labels; of one key the last given counts, and one that was taken away is none.

    Without an attempt, those of the script are what a pruned run's tombstone keeps of them.
    """
    said = tags_of_script(attempt) if attempt is not None else (run.tombstone or {}).get("tags") or {}
    found = {**said, **run.job.tags, **run.tags}
    return {key: str(value) for key, value in found.items() if value is not None}


def given_still(run: RunDocument, declared: Mapping[str, str]) -> dict[str, str | None]:
    """What people gave, without the keys that a new declaration has: those are the declaration's again."""
    return {key: value for key, value in run.tags.items() if key not in declared}


def tags_of_script(attempt: Attempt) -> dict[str, str]:
    """The labels that the script gave while it ran; those of rank 0."""
    found = attempt.read_json("metrics/tags.json") or {}
    return {key: str(value) for key, value in found.items() if isinstance(value, (str, int, float))}
