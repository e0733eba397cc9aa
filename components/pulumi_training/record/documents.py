"""The documents of a run and of an attempt, as frozen objects and as JSON. None has a secret in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from ..spec.document import (
    Count,
    DamagedDocument,
    Shape,
    Time,
    UnreadableDocument,
    check_shape,
    check_version,
    fields_of,
    parse_object,
)
from ..spec.errors import TrainingError, mask
from ..spec.outcome import Outcome, Reason, Status
from ..spec.recorded import RecordedJob
from .notes import Notes
from .store import NotFound, Store, StoreError

VERSION = 1
ADVICE = "Restore it from a copy, or move the folder of its run out of the store; until then the run is left as it is"
"""What to do about a damaged document of a run."""
_Texts = dict[str, str]
_Flag = bool | None
_TOMBSTONE: Shape = {
    "pruned_at": Time,
    "attempt": dict[str, Any] | None,
    "tags": dict[str, Any] | None,
    "outputs": dict[str, Any] | None,
}
_LEFT_OUTPUTS: Shape = {"digest": str, "files": Count, "size": Count}
_HANDLE: Shape = {"target": str, "run_id": str, "attempt": Count, "folder": str, "settings": _Texts}
_NOTES: Shape = {
    "series_start": Count,
    "base": str,
    "tree_digest": str | None,
    "resumes": Count | None,
    "retry_of": Count | None,
    "will_retry": _Flag,
    "cancel_grace": float | None,
    "git": dict[str, Any] | None,
}
_GIT: Shape = {"commit": str, "branch": str | None, "dirty": _Flag}
_ENVIRONMENT: Shape = {"digest": str, "packages": list[str] | None, "warnings": list[str] | None}
_COST: Shape = {"amount": float, "seconds": float, "nodes": Count}
_PARTS = {"handle": _HANDLE, "notes": _NOTES, "environment": _ENVIRONMENT, "cost": _COST}
_JUDGED = frozenset((Reason.COMPLETED, Reason.EXPECTATION_FAILED))


class AlreadyEnded(TrainingError):
    """An attempt that has ended was asked to become something else."""


@dataclass(frozen=True)
class RunDocument:
    """`run.json`: what the run is, and which attempt is its newest. Times are seconds since 1970 (UTC).

    `owner` has the keys `urn`, `stack` and `project`. `tags` are the labels that it was given beside those it
    is declared with; None takes one away. `source_rules` is the version of the rules (`identity.rules`) that
    `source_digest` and `run_key` were made under, `environment_files` the digests of the environment's files beside the tree.
    `tombstone` is None until retention prunes the run;
    then it holds what is left to answer with (`retention.prune`).
    """

    run_id: str
    name: str = ""
    owner: dict[str, str] = field(default_factory=dict)
    workspace: str = ""
    run_key: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    source_digest: str = ""
    created_at: Time = 0.0
    newest_attempt: Count = 0
    tombstone: dict[str, Any] | None = None
    tags: dict[str, str | None] = field(default_factory=dict)
    source_rules: int = 1
    environment_files: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """A JSON object of every field."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, object], where: str = "run.json") -> RunDocument:
        """Reads what `to_json` wrote; fields that are not known are left out.

        Raises:
            DamagedDocument, NewerDocument: `where` names it.
        """
        check_version(document, where, VERSION, ADVICE)
        found = cls(**fields_of(cls, document, where, ADVICE))
        RecordedJob.of(found.spec, f"{where} (spec)", ADVICE)
        if found.tombstone is not None:
            inside = f"{where} (tombstone)"
            check_shape(_TOMBSTONE, found.tombstone, inside, ADVICE)
            check_shape(_LEFT_OUTPUTS, found.tombstone.get("outputs") or {}, inside, ADVICE)
            if found.tombstone.get("attempt"):
                AttemptDocument.from_json(found.tombstone["attempt"], inside)
        return found

    @cached_property
    def job(self) -> RecordedJob:
        """What is read of `spec` by name."""
        return RecordedJob.of(self.spec, "run.json (spec)", ADVICE)

    def last_attempt(self) -> AttemptDocument | None:
        """The newest attempt, as the tombstone of a pruned run has it."""
        left = (self.tombstone or {}).get("attempt")
        return AttemptDocument.from_json(left) if left else None


@dataclass(frozen=True)
class AttemptDocument:
    """`attempt.json`: where one attempt stands. Times are seconds since 1970 (UTC), None while not reached.

    `progress` is the last line for a person, `metrics` the last values by name, `queue_position` counts
    from 1, `supervisor` has `pid`, `host`, `boot_id`, `started_at`; `environment` has `digest`, `packages`,
    `warnings`; `handle` is the target's handle.
    `store_identity` is the store's as the attempt began, part of the names of what it has elsewhere; empty for
    attempts that began before stores had one. `backend` is the digest of the Pulumi backend it began for
    (`record.backend`), empty where nobody could tell. `target_package` is the distribution that brings the target, empty
    for the targets of this package.
    """

    run_id: str
    attempt: Count
    status: Status = Status.NOT_STARTED
    outcome: Outcome | None = None
    target: str = ""
    plan: dict[str, Any] | None = None
    handle: dict[str, Any] | None = None
    created_at: Time = 0.0
    queued_at: Time | None = None
    started_at: Time | None = None
    ended_at: Time | None = None
    acknowledged: bool = False
    cancel_requested: bool = False
    queue_position: int | None = None
    progress: str | None = None
    metrics: dict[str, float] | None = None
    environment: dict[str, Any] | None = None
    supervisor: dict[str, Any] | None = None
    cost: dict[str, Any] | None = None
    notes: Notes = field(default_factory=Notes)
    store_identity: str = ""
    backend: str = ""
    target_package: str = ""
    version: int = VERSION

    @property
    def is_live(self) -> bool:
        """Whether the attempt can still change by itself."""
        return not self.status.is_terminal

    @property
    def is_over(self) -> bool:
        """Whether its run goes no further by itself: the attempt has ended, and no retry follows it."""
        return self.status.is_terminal and not self.notes.will_retry

    @property
    def tries(self) -> int:
        """How often its series was tried by now, this attempt included."""
        return self.attempt - (self.notes.series_start or self.attempt) + 1

    def changed(self, **changes: Any) -> AttemptDocument:
        """A copy with `changes`; an outcome alone brings its status along.

        Raises `AlreadyEnded` for a change that an ended attempt may not make, `TrainingError` for a terminal
        status without the outcome that goes with it or an unknown field.
        """
        if changes.get("outcome") is not None and "status" not in changes:
            changes["status"] = changes["outcome"].status
        try:
            new = replace(self, **changes)
        except TypeError as error:
            raise TrainingError(f"An attempt has no such field: {error}") from error
        check_transition(self, new)
        return new

    def to_json(self) -> dict[str, Any]:
        """A JSON object of every field."""
        document = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("store_identity", "backend", "target_package"):
            if not document[name]:
                del document[name]  # of before, or ours: its document stays as it was
        document["notes"] = dict(self.notes.values)
        document["status"] = self.status.value
        document["outcome"] = self.outcome.to_json() if self.outcome else None
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str = "attempt.json") -> AttemptDocument:
        """Reads what `to_json` wrote; fields that are not known are left out.

        Raises:
            DamagedDocument, NewerDocument: `where` names it.
        """
        check_version(document, where, VERSION, ADVICE)
        fitting = dict(document)
        outcome = fitting.pop("outcome", None)
        notes = fitting.pop("notes", {})
        if outcome is not None:
            check_shape({"outcome": dict[str, Any]}, {"outcome": outcome}, where, ADVICE)
        check_shape({"notes": dict[str, Any]}, {"notes": notes}, where, ADVICE)
        found = fields_of(cls, fitting, where, ADVICE)
        parts = {**found, "notes": notes}
        for name, shape in _PARTS.items():
            check_shape(shape, parts.get(name) or {}, f"{where} ({name})", ADVICE)
        check_shape(_GIT, notes.get("git") or {}, f"{where} (notes.git)", ADVICE)
        found["notes"] = Notes(notes)
        if outcome:
            found["outcome"] = Outcome.from_json(outcome, f"{where} (outcome)", ADVICE)
        document_of_attempt = cls(**found)
        _check_end(document_of_attempt, where)
        return document_of_attempt


def check_transition(old: AttemptDocument, new: AttemptDocument) -> None:
    """Lets an ended attempt change its end in two ways only: judged again, or collected again.

    Judged again: Completed and ExpectationFailed may become each other. Collected again: CollectFailed may
    become Finalizing, and from there whatever the facts say. Everything else raises `AlreadyEnded`.
    """
    if new.status.is_terminal and (new.outcome is None or new.outcome.status is not new.status):
        raise TrainingError(f"{new.status.value} needs an outcome of that status; it got {new.outcome}")
    if not old.status.is_terminal:
        if new.status is Status.NOT_STARTED and old.status is not Status.NOT_STARTED:
            raise TrainingError(
                f"Attempt {old.attempt} of {old.run_id} is {old.status.value}; it cannot be NotStarted again"
            )
        return
    before = old.outcome.reason if old.outcome else None
    after = new.outcome.reason if new.outcome and new.status.is_terminal else None
    if old.status is new.status and before is after:
        return
    if before in _JUDGED and after in _JUDGED:
        return
    if before is Reason.COLLECT_FAILED and (after is not None or new.status is Status.FINALIZING):
        return
    raise AlreadyEnded(
        f"Attempt {old.attempt} of {old.run_id} has ended as {old.status.value}"
        f"{f' ({before.value})' if before else ''}; it cannot become {new.status.value}"
        f"{f' ({after.value})' if after else ''}"
    )


_IDENTITY = ("run_id", "name", "owner", "workspace", "run_key", "source_digest", "target", "status")
_PROSE = frozenset({"message", "log_tail", "exception", "advice", "progress", "warnings"})


def _check_end(document: AttemptDocument, where: str) -> None:
    """An ended attempt has the outcome that its status says; without it, nothing can be answered for it."""
    if document.status.is_terminal and (
        document.outcome is None or document.outcome.status is not document.status
    ):
        ended = document.outcome.reason.value if document.outcome else "no outcome"
        raise DamagedDocument(where, f"`status` is {document.status.value}, and it has {ended}", ADVICE)


def encode(document: dict[str, Any], secrets: tuple[str, ...] = ()) -> bytes:
    """JSON text with sorted keys; every one of `secrets` in a string of it is masked."""
    value = masked(document, secrets) if secrets else document
    if (
        secrets
    ):  # by these the run is found and taken on; a secret that has the same letters hides nothing here
        value |= {name: document[name] for name in _IDENTITY if name in document}
    return json.dumps(value, indent=1, sort_keys=True, default=str).encode("ascii") + b"\n"


def decode(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `data`. Raises `DamagedDocument` naming `where` if it is none."""
    return parse_object(data, where, ADVICE)


def load(store: Store, key: str, where: str) -> dict[str, Any]:
    """The JSON object that a store has under `key`.

    Raises:
        NotFound: there is none.
        UnreadableDocument: it is damaged, or the store refuses to read it; `where` names it.
    """
    try:
        data = store.read(key)
    except NotFound as error:
        if store.is_local and store.is_taken(key):
            raise DamagedDocument(
                where, "it is a folder, or a link that leads nowhere or out of the store", ADVICE
            ) from error
        raise
    except StoreError as error:
        raise UnreadableDocument(where, f"cannot be read ({error.message})", ADVICE) from error
    return decode(data, where)


def masked(value: object, secrets: tuple[str, ...], *, is_prose: bool = False) -> Any:
    """`value` with every one of `secrets` masked in its strings, keys included.

    Secrets of a few letters only in what is written for people: elsewhere they may well be part of a name.
    """
    if isinstance(value, str):
        return mask(value, secrets, short=is_prose)
    if isinstance(value, dict):
        return {
            mask(k, secrets, short=False): masked(v, secrets, is_prose=is_prose or k in _PROSE)
            for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [masked(v, secrets, is_prose=is_prose) for v in value]
    return value
