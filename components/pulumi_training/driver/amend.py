"""Limits that change in place, brought to an attempt that lives."""

from __future__ import annotations

from collections.abc import Mapping

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..spec.errors import Problem, SpecError
from ..targets import catalog
from ..targets.contract.capabilities import Amends
from .attempt_run import compute_of, handle_of

_LIMITS = ("maxRunDurationSeconds", "stallTimeoutSeconds", "gracePeriodSeconds")


def require_amendable(
    document: AttemptDocument, before: Mapping[str, object], after: Mapping[str, object]
) -> None:
    """Sees that the limits of a job may become those of `after` while the attempt lives.

    Raises:
        SpecError: its target cannot change them; names those that can.
    """
    if not _is_submitted(document) or isinstance(
        catalog.get(document.target, document.target_package), Amends
    ):
        return
    able = ", ".join(catalog.having(Amends))
    words = (
        f"cannot change while an attempt runs on target {document.target!r}; on {able} it can. Wait for its end, or "
        f"stop it first: `pulumi-training cancel {document.run_id}`"
    )
    problems = [Problem(name, words) for name in _LIMITS if before.get(name) != after.get(name)]
    if problems:
        raise SpecError(problems)


def amend(attempt: Attempt, document: AttemptDocument, job: Mapping[str, object]) -> None:
    """Brings the limits of `job`, as recorded, to the attempt where it lives. Raises `TransientError`."""
    target = catalog.get(document.target, document.target_package)
    if _is_submitted(document) and isinstance(target, Amends):
        target.amend(compute_of(job, attempt.run_id, document), handle_of(attempt, document), job)


def _is_submitted(document: AttemptDocument) -> bool:
    return document.is_live and document.handle is not None
