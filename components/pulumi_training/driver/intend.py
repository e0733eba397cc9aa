"""The first step of a run: find what is there already, or write down what is about to be done.

Nothing is submitted before the intent is in the record, so that whoever comes after a crash finds it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..identity import manifests
from ..identity.rules import FIRST
from ..identity.tree import Tree
from ..identity.why import file_changes
from ..record.attempt import Attempt
from ..record.backend import Backend
from ..record.claims import claim
from ..record.documents import AttemptDocument, RunDocument, load
from ..record.notes import Notes
from ..record.record import Record
from ..record.runs import runs
from ..record.store import NotFound, Store, explained
from ..spec.document import UnreadableDocument, fitting
from ..spec.errors import PermanentError, SpecError
from ..spec.outcome import OnNextUp, Outcome, Reason
from ..targets import catalog
from ..targets.contract.capabilities import RunsUnattended
from .ahead import is_wanted
from .code import alone, copy, is_copied
from .last import last
from .request import Request
from .sharing import holders_of, is_only_theirs, named
from .stop import cancel
from .supervisor import dismiss, load_ahead

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Intent:
    """The attempt that answers a request, and whether it was there before."""

    record: Record
    attempt: Attempt
    is_adopted: bool


def intend(request: Request, read_source: Callable[[], Tree], tell: Tell, *, rerun: bool = False) -> Intent:
    """The attempt that this request stands for.

    An attempt that no answer has carried yet (a crash came between) is adopted, live or ended. One that is
    acknowledged has been answered, so another Create wants another attempt; `rerun` wants one in any case.
    A live attempt that another one follows, or that runs on another target than is asked for, is stopped first.
    `read_source` gives the tree as Check saw it.

    Raises:
        PermanentError: the run's id belongs to another owner, or the source changed since Check.
        TransientError: the attempt before does not stop.
        StoreError: the record or the copy of the source cannot be written.
    """
    record = request.record()
    newest = record.newest() if record.exists() else None
    if newest is not None:
        _refuse_other_owner(record, request)
        document = newest.document()
        wants_another = rerun or not is_adoptable(record, document, request.backend)
        if document.is_live and document.target != request.document()["compute"]["target"]:
            refuse_if_shared(record, document, request.backend)
            tell(f"stopping attempt {newest.number}, which runs on target {document.target}")
            cancel(record)
            newest.update(acknowledged=True)  # whoever asks now wants it elsewhere
        elif document.is_live and wants_another:
            refuse_if_shared(record, document, request.backend)
            cancel(record)  # two attempts of a run never live at once
    # Known to its owner before it can live, so that a later run of the owner always finds and stops it.
    remember_owner(record.store, request.urn, request.run_id)
    with alone(record.attempt(1)):
        return _attempt_for(request, record, read_source, rerun)


def _attempt_for(request: Request, record: Record, read_source: Callable[[], Tree], rerun: bool) -> Intent:
    newest = record.newest() if record.exists() else None
    resumes: int | None = None
    if newest is not None:
        _refuse_other_owner(record, request)
        document = newest.document()
        if rerun and document.outcome and document.outcome.reason.rule.on_next_up is OnNextUp.RERUN:
            resumes = newest.number  # the script was not at fault: it goes on from its last checkpoint
        if not rerun and is_adoptable(record, document, request.backend):
            if document.is_live and document.handle is None and not is_copied(newest):
                _copy(newest, read_source(), request)
            record.update_run(spec=request.document(), source_rules=request.source_rules)
            _claim(record, request, newest.number)
            return Intent(record, newest, is_adopted=True)
        number = newest.number + 1
    else:
        pruned = last(record)
        number = pruned.attempt.number + 1 if pruned else 1
        record.write_run(_run_document(request, number))
    tree = read_source()
    _claim(record, request, number)
    attempt = record.start_attempt(
        AttemptDocument(
            run_id=request.run_id,
            attempt=number,
            target=request.document()["compute"]["target"],
            backend=request.backend.digest if request.backend else "",
            target_package=catalog.package_of(request.document()["compute"]["target"]),
            notes=Notes.of(
                series_start=number, base=str(request.base), tree_digest=tree.digest, resumes=resumes
            ),
        )
    )
    if attempt is None:
        # Two came at once from two machines; the other was first, and this one follows it.
        return Intent(record, record.attempt(number), is_adopted=True)
    record.update_run(spec=request.document(), newest_attempt=number, source_rules=request.source_rules)
    attempt.event("intent", f"attempt {number} of {request.run_id}", urn=request.urn, run_key=request.run_key)
    _load_supervisor(record, attempt)
    try:
        _copy(attempt, tree, request)
    except BaseException:
        dismiss(record, number)
        raise
    return Intent(record, attempt, is_adopted=False)


def _load_supervisor(record: Record, attempt: Attempt) -> None:
    """A supervisor loads while the source is copied; where it cannot be started, `start` says so.

    None does where this process submits ahead of it, for then it would only be in the way.
    """
    document = attempt.document()
    name = document.target
    target = catalog.get(name, document.target_package)
    if not isinstance(target, RunsUnattended) and not (target.submits_by_requests and is_wanted(record)):
        with suppress(OSError):
            load_ahead(record, attempt.number, name)


def runs_of_owner(store: Store, urn: str) -> list[str]:
    """The ids of the runs that a resource has had in a store, newest last.

    Where its list is damaged, the records themselves are asked.
    """
    try:
        document = load(store, _owner_key(urn), _owner_key(urn))
        known: list[str] = fitting({"runs": list[str]}, document, "")["runs"]
    except NotFound:
        return []
    except (UnreadableDocument, KeyError):
        return [each.run.run_id for each in runs(store) if each.run.owner.get("urn") == urn][::-1]
    return known


def remember_owner(store: Store, urn: str, run_id: str) -> None:
    """Adds a run to those of its owner; the last 50 are kept."""
    known = [r for r in runs_of_owner(store, urn) if r != run_id]
    content = json.dumps({"urn": urn, "runs": [*known, run_id][-50:]}).encode()
    store.write(_owner_key(urn), content, durable=False)  # the intent, written next, is what makes a run


def is_adoptable(record: Record, document: AttemptDocument, backend: Backend | None) -> bool:
    """Whether a Create takes an attempt for its own.

    One that no answer has carried is; so is a live one that only stacks of other backends have, for the other way on
    would be to stop it.
    """
    if not document.acknowledged:
        return True
    return document.is_live and is_only_theirs(record, backend, document.attempt)


def refuse_if_shared(record: Record, document: AttemptDocument, backend: Backend | None) -> None:
    """Raises `PermanentError` where a live attempt that is about to be stopped is another backend's too."""
    found = holders_of(record, backend, document.attempt)
    if found:
        raise PermanentError(
            Reason.TARGET_UNAVAILABLE,
            f"attempt {document.attempt} of run {record.run_id} is {document.status.value}, and {named(found)} has it "
            "too: another attempt would stop it. Wait for its end, give one of the stacks another name or one of the "
            f"workspaces another store, or stop it for both: pulumi-training cancel {record.run_id}",
        )


def _claim(record: Record, request: Request, number: int) -> None:
    if request.backend is not None:
        claim(record, request.backend, request.owner, number)


def _owner_key(urn: str) -> str:
    return f"owners/{hashlib.sha256(urn.encode()).hexdigest()[:20]}.json"


def _run_document(request: Request, number: int) -> RunDocument:
    assert request.job.compute is not None
    return RunDocument(
        run_id=request.run_id,
        name=request.name,
        owner=request.owner,
        workspace=request.job.compute.workspace,
        run_key=request.run_key,
        spec=request.document(),
        source_digest=request.source_digest,
        source_rules=request.source_rules,
        environment_files=dict(request.environment_files),
        newest_attempt=number,
    )


def _refuse_other_owner(record: Record, request: Request) -> None:
    owner = record.run_document().owner
    # An id that comes from the state is its owner's, also under a new name.
    if request.known_id is None and owner.get("urn") != request.urn:
        raise PermanentError(
            Reason.TARGET_UNAVAILABLE,
            f"run {record.run_id} in {record.store.display} belongs to {owner.get('urn')}; give this job another name, "
            "or its workspace another store",
        )


def _what_changed(tree: Tree, seen_digest: str) -> str:
    seen = manifests.recall(seen_digest)
    words = file_changes(seen, tree.manifest())[:5] if seen is not None else []
    return f"{tree.root} changed after it was checked" + (f": {', '.join(words)}" if words else "")


def _keep_environment(attempt: Attempt, tree: Tree, request: Request) -> None:
    """Keeps what the environment is made of beside the tree, as the key has counted it."""
    from ..environment.beside import keep, names_files  # reads requirements; most jobs name none

    spec = request.job.environment
    if spec is None or not names_files(spec):
        return
    try:
        with explained(attempt.folder, "files of the environment could not be copied there"):
            kept = keep(spec, tree.root, {entry.path for entry in tree.entries}, attempt.folder)
    except SpecError as error:
        raise PermanentError(Reason.SOURCE_CHANGED, f"changed after it was checked: {error}") from error
    seen = request.environment_files
    if request.source_rules != FIRST and kept != seen:
        changed = sorted(place for place in kept.keys() | seen.keys() if kept.get(place) != seen.get(place))
        raise PermanentError(Reason.SOURCE_CHANGED, f"{', '.join(changed)} changed after it was checked")


def _copy(attempt: Attempt, tree: Tree, request: Request) -> None:
    try:
        if request.seen_digest is not None and tree.digest != request.seen_digest:
            raise PermanentError(Reason.SOURCE_CHANGED, _what_changed(tree, request.seen_digest))
        copy(attempt, tree)
        _keep_environment(attempt, tree, request)
    except PermanentError as error:
        attempt.update(outcome=Outcome(error.reason, error.message), acknowledged=True, ended_at=time.time())
        raise
