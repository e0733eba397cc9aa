"""Runs that live, or left something behind, and that no stack of the current backend knows."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..driver.attempt_run import handle_of
from ..record.record import Record, runs
from ..record.store import Store
from ..spec.document import UnreadableDocument, value_or_none
from ..spec.errors import TrainingError
from ..targets import catalog
from ..targets.base import Handle
from . import submission
from .places import places

_TYPE = "training:index:TrainingJob"
_URN = "urn:pulumi:"
_SECONDS = 120


@dataclass(frozen=True)
class Orphan:
    """A live attempt, or the rest of one, that no stack answers for. `record` is None where it is gone too."""

    run_id: str
    attempt: int
    what: str
    owner: str
    handle: Handle
    record: Record | None


def known_runs() -> set[str]:
    """The ids of all runs in the stacks of the backend that the pulumi command line is logged in to.

    Runs that were submitted from a notebook are known too: their stacks are in this user's own backend.

    Raises:
        TrainingError: pulumi is not there, or refuses: without it nobody can tell what an orphan is.
    """
    known = submission.run_ids()
    for stack in _pulumi("stack", "ls", "--all", "--json"):
        state = _pulumi("stack", "export", "--stack", stack["name"]).get("deployment") or {}
        pending = [operation["resource"] for operation in state.get("pending_operations") or []]
        for resource in [*(state.get("resources") or []), *pending]:
            if resource.get("type") == _TYPE:
                known |= {str(resource.get("id") or ""), resource.get("urn", "")}
    return known - {""}


def orphans(
    known: Iterable[str], store: str | None = None, tell: Callable[[str], None] = lambda _: None
) -> list[Orphan]:
    """Every attempt that lives or left something, and whose run and resource are not among `known`.

    Runs that no resource owns (repetitions) are nobody's orphans. `tell` is told of what could not be looked at.
    """
    wanted, found = set(known), {}
    for place in places(store).found:
        opened = place.store
        for summary in runs(opened, lambda run: tell(f"{run.run_id} is passed over: {run.message}")):
            run, attempt = summary.run, summary.attempt
            owner = run.owner.get("urn", "")
            if (
                attempt is None
                or not attempt.is_live
                or not owner.startswith(_URN)
                or {run.run_id, owner} & wanted
            ):
                continue
            record = Record(opened, run.run_id)
            handle = handle_of(record.attempt(attempt.attempt), attempt)
            found[handle.key] = Orphan(
                run.run_id, attempt.attempt, attempt.status.value, owner, handle, record
            )
    for handle in _leftovers(tell):
        try:
            kept = _record_of(handle)
            owner = kept.run_document().owner.get("urn", "") if kept else ""
        except UnreadableDocument:
            continue  # whose it is cannot be told, so it is nobody's to remove
        if handle.run_id in wanted or owner in wanted or (kept is not None and not owner.startswith(_URN)):
            continue
        found.setdefault(
            handle.key,
            Orphan(handle.run_id, handle.attempt, catalog.get(handle.target).leaves, owner, handle, kept),
        )
    return [found[key] for key in sorted(found)]


def remove(orphan: Orphan) -> None:
    """Stops it and takes away what its target holds; the record, where there is one, stays.

    Raises:
        TrainingError: something of it survives.
    """
    if orphan.record is not None:
        from ..driver.stop import remove as remove_run

        remove_run(orphan.record)
        return
    catalog.get(orphan.handle.target).remove(orphan.handle)


def _leftovers(tell: Callable[[str], None]) -> Iterator[Handle]:
    """What targets have of this user's runs, whatever workspace they belong to."""
    for name in catalog.names():
        yield from catalog.get(name).left(tell)


def _record_of(handle: Handle) -> Record | None:
    """The record of a leftover, found by its folder: `<store>/runs/<run id>/attempts/<n>`."""
    store, mark, _ = handle.folder.rpartition(f"/runs/{handle.run_id}/attempts/")
    if not mark:
        return None
    record = Record(Store.open(store), handle.run_id)
    return record if record.exists() else None


def _pulumi(*arguments: str) -> Any:
    binary = shutil.which("pulumi")
    if binary is None:
        raise TrainingError(
            "pulumi is not on PATH, and only its stacks can tell what an orphan is; "
            'in a checkout, run: eval "$(tools/pulumi env)"'
        )
    try:
        done = subprocess.run(
            [binary, *arguments, "--non-interactive"], capture_output=True, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise TrainingError(f"`pulumi {' '.join(arguments)}` did not answer within {_SECONDS} s") from error
    if done.returncode != 0:
        raise TrainingError(f"`pulumi {' '.join(arguments)}` failed: {done.stderr.strip()}")
    answer = value_or_none(done.stdout)
    if answer is None:
        raise TrainingError(f"`pulumi {' '.join(arguments)}` answered no JSON: {done.stdout[:200].strip()}")
    return answer
