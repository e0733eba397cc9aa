"""One run by what a person calls it: a full id anywhere, a job's name or the beginning of an id here first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..record.documents import RunDocument
from ..record.record import Record
from ..record.store import NotFound, Store
from ..record.store_identity import place_of
from ..spec.document import UnreadableDocument
from ..spec.errors import SpecError, TrainingError
from .here import Here, Owner, owner_of
from .here import here as this_folder
from .places import Place, Places, places

_CANDIDATES_SHOWN = 8


class RunNotFound(TrainingError):
    """No run answers to that name in the stores that were looked at."""


class AmbiguousRun(TrainingError):
    """Several runs answer to that name; the message has their ids."""


class RunElsewhere(TrainingError):
    """Only runs of other projects or stacks answer to that name, and what was asked changes a run; the message has
    their ids."""


@dataclass(frozen=True)
class Found:
    """One run: its record, and its document. `note` says whose it is where it is of another project or stack."""

    record: Record
    run: RunDocument = field(repr=False)
    note: str = ""


def find(text: str, store: str | None = None, *, to_change: bool = False) -> Found:
    """The run called `text`: a run id, `<store URL>#<run id>`, a job's name (its newest run) or a unique prefix.

    A full id is found from anywhere. A name and a prefix mean a run of this folder's project and stack (`client.here`);
    where it has none of that name, a run elsewhere is answered with a note, and refused where it is to be changed.

    Checkouts of one program have runs of one id. Those whose store is in this folder come first; what is not only read
    (`to_change`) must be in one store alone.

    Raises:
        RunNotFound: no store has it; the message says where it was looked for.
        AmbiguousRun: several projects, stacks or ids answer to it, or several stores have it and it is to change.
        RunElsewhere: it is to change, and is of another project or stack.
    """
    url, mark, run_id = text.rpartition("#")
    if mark and url and store is None:
        text, store = run_id, url
    where = places(store)
    ids = _ids(where.found)
    folder = this_folder(has_named_store=store is not None)
    exact = [record for record in ids if record.run_id == text]
    if exact:
        return _chosen(exact, folder, to_change)
    unreadable: list[UnreadableDocument] = []
    named = [each for each in _documents(ids, text, unreadable) if each.run.name == text]
    if named:
        return _of_job(text, named, folder, to_change)
    begun = [record for record in ids if text and record.run_id.startswith(text)]
    if begun:
        return _of_prefix(text, begun, folder, to_change)
    raise RunNotFound(_not_found(text, where, unreadable))


def listed(candidates: Iterable[tuple[str, Owner]]) -> str:
    """Ids with whose they are, for a message; eight at most."""
    shown = list(dict.fromkeys(f"{run_id} ({owner})" for run_id, owner in candidates))
    return ", ".join(shown[:_CANDIDATES_SHOWN]) + (", …" if len(shown) > _CANDIDATES_SHOWN else "")


def of_one_owner(text: str, found: Sequence[tuple[str, Owner]]) -> None:
    """Raises `AmbiguousRun` where several projects or stacks have runs of the name; repetitions are nobody's."""
    first: dict[Owner, str] = {}
    for run_id, owner in found:
        if owner.project:
            first.setdefault(owner, run_id)
    if len(first) > 1:
        raise AmbiguousRun(
            f"several projects or stacks have {text!r}; write the id of a run: "
            f"{listed((run_id, owner) for owner, run_id in first.items())}"
        )


def elsewhere_note(text: str, run_id: str, owner: Owner, folder: Here) -> str:
    """Says that a run is not of this folder's project and stack."""
    mine = f"{folder.owner} has no run {text!r}" if folder.project else f"this folder has no run {text!r}"
    return f"{mine}; this is {run_id} of {owner}"


def _of_job(text: str, named: list[Found], folder: Here, to_change: bool) -> Found:
    ours = [each for each in named if folder.owns(each.record, each.run)]
    if not ours and to_change:
        raise _refused(text, named, folder)
    candidates = ours or named
    if len({owner_of(each.run) for each in candidates}) > 1:
        of_one_owner(text, _newest_first(candidates))
    found = _chosen([each.record for each in candidates], folder, to_change)
    if ours:
        return found
    return Found(found.record, found.run, elsewhere_note(text, found.run.run_id, owner_of(found.run), folder))


def _of_prefix(text: str, begun: list[Record], folder: Here, to_change: bool) -> Found:
    if len({record.run_id for record in begun}) == 1 and not to_change:
        return _chosen(begun, folder, to_change)
    documents = [found for found in map(_found, begun) if found is not None]
    ours = [each.record for each in documents if folder.owns(each.record, each.run)]
    ids = sorted({record.run_id for record in ours or begun})
    if len(ids) > 1:
        more = ", …" if len(ids) > _CANDIDATES_SHOWN else ""
        raise AmbiguousRun(
            f"{text!r} begins {len(ids)} run ids; write more of one: {', '.join(ids[:_CANDIDATES_SHOWN])}{more}"
        )
    if not ours and to_change and documents:
        raise _refused(text, documents, folder)
    return _chosen(ours or begun, folder, to_change)


def _refused(text: str, found: list[Found], folder: Here) -> RunElsewhere:
    where = f"in {folder.owner}" if folder.project else "in this folder"
    return RunElsewhere(
        f"no run {text!r} {where}, and nothing was changed. Elsewhere: {listed(_newest_first(found))}. "
        "Write the id of a run"
    )


def _newest_first(found: Iterable[Found]) -> list[tuple[str, Owner]]:
    ordered = sorted(found, key=lambda each: _at(each.record, each.run), reverse=True)
    return [(each.run.run_id, owner_of(each.run)) for each in ordered]


def _ids(found: Iterable[Place]) -> list[Record]:
    records = []
    for place in found:
        for name in _names(place.store):
            try:
                records.append(Record(place.store, name))
            except SpecError:
                continue  # a folder of somebody else's
    return records


def _names(store: Store) -> tuple[str, ...]:
    try:
        return store.children("runs")
    except TrainingError:
        return ()


def _documents(ids: Iterable[Record], name: str, unreadable: list[UnreadableDocument]) -> Iterator[Found]:
    """The runs that may be of a job of that name; what cannot be read is added to `unreadable`."""
    for record in ids:
        if _could_be_of(record.run_id, name):
            try:
                yield Found(record, record.run_document())
            except UnreadableDocument as error:
                unreadable.append(error)
            except TrainingError:
                continue  # gone meanwhile, or its store does not answer


def _could_be_of(run_id: str, name: str) -> bool:
    """Whether a run's id may stem from that job's name; spares reading the other documents.

    An id is the name, cut where it is long, and ten hex digits.
    """
    label = run_id.rpartition("-")[0]
    return bool(label) and name.startswith(label)


def _found(record: Record) -> Found | None:
    try:
        return Found(record, record.run_document())
    except TrainingError:
        return None


def _chosen(records: list[Record], folder: Here, to_change: bool) -> Found:
    kept = [record for record in records if _is_below(record.store, folder)] or records
    if to_change and len({place_of(record.store) for record in kept}) > 1:
        names = ", ".join(sorted(f"{record.store.display}#{record.run_id}" for record in kept))
        raise AmbiguousRun(f"several stores have it; write which: {names}")
    return _newest(kept)


def _is_below(store: Store, folder: Here) -> bool:
    """Whether a store is a folder in this one, as that of the program that one stands in."""
    path = store.local_path("")
    return path is not None and path.resolve().is_relative_to(folder.folder.resolve())


def _newest(records: list[Record]) -> Found:
    """The run among `records` whose newest attempt is the newest."""
    best: tuple[float, Found] | None = None
    last: TrainingError | None = None
    for record in records:
        try:
            run = record.run_document()
            at = _at(record, run)
        except NotFound as error:
            last = RunNotFound(f"{record.run_id} has no run.json in {record.store.display}: {error.message}")
            continue
        except TrainingError as error:
            last = error
            continue
        if best is None or at > best[0]:
            best = (at, Found(record, run))
    if best is None:
        raise last or RunNotFound("no run")
    return best[1]


def _at(record: Record, run: RunDocument) -> float:
    """When the run's newest attempt was made; of one that cannot be read, the run's own time."""
    try:
        newest = record.newest()
        return newest.document().created_at if newest else run.created_at
    except UnreadableDocument:
        return run.created_at


def _not_found(text: str, where: Places, unreadable: Iterable[UnreadableDocument]) -> str:
    if not where.found and not where.unreadable:
        return (
            f"No run {text!r}: this machine has seen no workspace yet. `pulumi up` makes one; "
            "--store names a store (a folder or a URL)."
        )
    looked = ", ".join(place.store.display for place in where.found) or "no store"
    words = f"No run {text!r} in {looked}. `pulumi-training runs list --all` shows what there is."
    for store in where.unreadable:
        words += f"\n{store.store} could not be read: {store.message}"
    for error in unreadable:
        words += f"\n{error.message}"
    return words
