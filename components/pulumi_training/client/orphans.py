"""Runs that live, or left something behind, and that no stack has: those of the backends that can be asked here.

A run is an orphan only where everything says so: it began for a backend that was asked, no state of that backend has
it, no other backend claims it, no update that lives waits for it, and nobody works on its stack. A run of which it is
not known whose it is (it began before records said so, or its record is gone) is nobody's orphan: it is named, and
removed only where a person says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..driver.attempt_run import handle_of
from ..driver.sharing import holds
from ..record.claims import Claim, claims
from ..record.record import Record
from ..record.runs import runs
from ..record.store import Store
from ..record.updates import waited_for
from ..spec.document import UnreadableDocument
from ..spec.errors import TrainingError
from ..targets import catalog
from ..targets.contract.handle import ComputeReference, Handle
from . import submission
from .places import places
from .stacks import Place, Stacks, experiments, here, stacks

_URN = "urn:pulumi:"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Orphan:
    """A live attempt, or the rest of one, that no stack answers for. `record` is None where it is gone too.

    `is_unknown` says that nobody can tell whose it is. `why` says in words what is known.
    """

    run_id: str
    attempt: int
    what: str
    owner: str
    handle: Handle
    record: Record | None
    why: str = ""
    is_unknown: bool = False


@dataclass(frozen=True)
class Survey:
    """What was found. `unknown` are attempts of which nobody can tell whose they are; `elsewhere` counts the runs that
    belong to backends that were not asked; `busy` are words about stacks that somebody works on."""

    orphans: tuple[Orphan, ...]
    unknown: tuple[Orphan, ...] = ()
    elsewhere: int = 0
    busy: tuple[str, ...] = ()


@dataclass
class _Asked:
    """The backends that can be asked here, each asked once and only where a run makes it necessary."""

    places: dict[str, Place]
    known: dict[str, Stacks | TrainingError] = field(default_factory=dict)

    def stacks(self, digest: str) -> Stacks:
        """What the stacks of a backend have. Raises `TrainingError`: nobody can tell."""
        if digest not in self.known:
            try:
                self.known[digest] = stacks(self.places[digest])
            except TrainingError as error:
                self.known[digest] = error
        found = self.known[digest]
        if isinstance(found, TrainingError):
            raise found
        return found

    def has(self, run_id: str, digests: Iterable[str]) -> bool:
        """Whether a state of one of these backends has the run. Raises `TrainingError`."""
        return any(run_id in self.stacks(digest).runs for digest in digests)


@dataclass(frozen=True)
class _Trace:
    """An attempt that lives or left something, before it is known whose it is."""

    run_id: str
    attempt: int
    what: str
    handle: Handle
    record: Record | None
    owner: dict[str, str] = field(default_factory=dict)
    backend: str = ""


def survey(store: str | None = None, tell: Tell = lambda _: None) -> Survey:
    """Every attempt that lives or left something, and whose it is not. `tell` is told of what could not be looked at.

    Runs that no resource owns (repetitions) are nobody's orphans.

    Raises:
        TrainingError: pulumi is not there, or refuses, or a state cannot be read: without it nobody can tell what an
            orphan is.
    """
    traces = list(_traces(store, tell))
    if not traces:
        return Survey(())
    # Before the states: an update that ends meanwhile has written its runs there.
    waited = _waited_for(traces)
    mine, own = here(), experiments()
    asked = _Asked({place.backend.digest: place for place in (mine, own) if place is not None})
    found: list[Orphan] = []
    unknown: list[Orphan] = []
    busy: dict[str, None] = {}
    elsewhere = set()
    for trace in traces:
        if trace.record is not None and (trace.record.store.url, trace.run_id) in waited:
            continue
        verdict = _judge(trace, asked)
        if isinstance(verdict, str):
            busy[verdict] = None
        elif verdict is None:
            elsewhere.add(trace.run_id)
        elif isinstance(verdict, Orphan):
            (unknown if verdict.is_unknown else found).append(verdict)
    return Survey(tuple(found), tuple(unknown), len(elsewhere), tuple(busy))


def is_still(orphan: Orphan) -> bool:
    """Whether it is one still, asked anew: an `up` may have come for it while a person thought about it.

    Raises:
        TrainingError: as for `survey`.
    """
    again = survey(orphan.record.store.url if orphan.record else None)
    kinds = again.unknown if orphan.is_unknown else again.orphans
    return any((each.run_id, each.attempt) == (orphan.run_id, orphan.attempt) for each in kinds)


def remove(orphan: Orphan) -> None:
    """Stops it and takes away what its target holds; the record, where there is one, stays.

    Raises:
        TrainingError: something of it survives.
    """
    if orphan.record is not None:
        from ..driver.stop import remove as remove_run

        remove_run(orphan.record)
        return
    handle = orphan.handle
    compute = ComputeReference({"target": handle.target}, handle.run_id, handle.store)
    catalog.get(handle.target).remove(compute, handle)


def _judge(trace: _Trace, asked: _Asked) -> Orphan | str | bool | None:
    """An orphan; words about a stack that somebody works on; True where a stack has it; None where a backend that was
    not asked does."""
    found = claims(trace.record) if trace.record else []
    ours = [each for each in found if each.backend in asked.places]
    theirs = [each for each in found if each.backend not in asked.places]
    if any(holds(trace.record, each) for each in theirs if trace.record):
        return None
    began_here = trace.backend in asked.places
    if found and not ours and not began_here:
        return None  # a backend that gave it up is not asked either
    if not found and trace.backend and not began_here:
        return None
    if not ours and not began_here:
        return _judge_unknown(trace, asked)
    # Of its own backends only: that another one cannot be read is no reason to know nothing of this one.
    if asked.has(trace.run_id, {*(each.backend for each in ours), *([trace.backend] if began_here else [])}):
        return True
    for claim in ours or [Claim(trace.backend, 0, trace.owner.get("urn", ""))]:
        known = asked.stacks(claim.backend)
        project, stack = (claim.project, claim.stack) if claim.stack else _of(trace.owner)
        worker = known.worker(project, stack)
        if worker is not None:
            return (
                f"stack {stack} of project {project} is locked by {worker}; what it waits for is not listed"
            )
        place = asked.places[claim.backend]
        if place.backend.url.startswith("http") and not known.has(project, stack):
            words = f"stack {stack} of project {project} is not among those that you may see"
            return _orphan(trace, words, is_unknown=True)
    return _orphan(trace, _why(trace, ours, asked))


def _judge_unknown(trace: _Trace, asked: _Asked) -> Orphan | bool:
    try:
        if asked.has(trace.run_id, asked.places):
            return True
    except TrainingError as error:
        return _orphan(trace, f"nobody can tell whose it is: {error.message}", is_unknown=True)
    return _orphan(trace, "it is not recorded which backend it belongs to", is_unknown=True)


def _why(trace: _Trace, ours: Iterable[Claim], asked: _Asked) -> str:
    urn = trace.owner.get("urn", "")
    for claim in ours:
        known = asked.stacks(claim.backend)
        stack = known.pending.get(claim.urn or urn)
        if stack is not None:
            return f"stack {stack} was creating it when its update was killed"
    return "no stack has it"


def _orphan(trace: _Trace, why: str, *, is_unknown: bool = False) -> Orphan:
    urn = trace.owner.get("urn", "")
    return Orphan(
        trace.run_id, trace.attempt, trace.what, urn, trace.handle, trace.record, why, is_unknown=is_unknown
    )


def _of(owner: dict[str, str]) -> tuple[str, str]:
    return owner.get("project", ""), owner.get("stack", "")


def _traces(store: str | None, tell: Tell) -> Iterator[_Trace]:
    """What lives by its record, then what targets have, each attempt once, sorted."""
    found: dict[tuple[str, int, str, str], _Trace] = {}
    for place in places(store).found:
        for summary in runs(place.store, lambda run: tell(f"{run.run_id} is passed over: {run.message}")):
            run, attempt = summary.run, summary.attempt
            if attempt is None or attempt.is_over or not run.owner.get("urn", "").startswith(_URN):
                continue
            record = Record(place.store, run.run_id)
            handle = handle_of(record.attempt(attempt.attempt), attempt)
            found[handle.key] = _Trace(
                run.run_id, attempt.attempt, attempt.status.value, handle, record, run.owner, attempt.backend
            )
    submitting = {each.run_id for each in submission.pending()}
    for handle in _leftovers(tell):
        try:
            kept = _record_of(handle)
            owner = kept.run_document().owner if kept else {}
            backend = _backend_of(kept, handle)
        except UnreadableDocument:
            continue  # whose it is cannot be told, so it is nobody's to remove
        if kept is not None and not owner.get("urn", "").startswith(_URN):
            continue
        trace = _Trace(
            handle.run_id,
            handle.attempt,
            catalog.get(handle.target).leaves,
            handle,
            kept,
            owner,
            backend,
        )
        found.setdefault(handle.key, trace)
    return (found[key] for key in sorted(found) if found[key].run_id not in submitting)


def _waited_for(traces: Iterable[_Trace]) -> set[tuple[str, str]]:
    """Stores and run ids: runs of two stores may have one id."""
    stores = {trace.record.store.url: trace.record.store for trace in traces if trace.record}
    return {(url, run_id) for url, store in stores.items() for run_id in waited_for(store)}


def _leftovers(tell: Tell) -> Iterator[Handle]:
    """What targets have of this user's runs, whatever workspace they belong to."""
    for target in catalog.known(tell):
        try:
            yield from catalog.get(target.name).leftovers(None, tell)
        except (TrainingError, OSError) as error:
            tell(f"{target.name}: {error}")


def _record_of(handle: Handle) -> Record | None:
    """The record of a leftover, found by its folder: `<store>/runs/<run id>/attempts/<n>`."""
    store, mark, _ = handle.folder.rpartition(f"/runs/{handle.run_id}/attempts/")
    if not mark:
        return None
    record = Record(Store.open(store), handle.run_id)
    return record if record.exists() else None


def _backend_of(record: Record | None, handle: Handle) -> str:
    """The backend that an attempt began for, empty where its record does not say."""
    attempt = record.attempt(handle.attempt) if record else None
    return attempt.document().backend if attempt and attempt.exists() else ""
