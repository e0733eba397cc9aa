"""The documents of a run and of an attempt, as frozen objects and as JSON. None has a secret in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from ..spec.errors import TrainingError, mask
from ..spec.outcome import Outcome, Reason, Status

VERSION = 1
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
    created_at: float = 0.0
    newest_attempt: int = 0
    tombstone: dict[str, Any] | None = None
    tags: dict[str, str | None] = field(default_factory=dict)
    source_rules: int = 1
    environment_files: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """A JSON object of every field."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> RunDocument:
        """Reads what `to_json` wrote; fields of a newer version are left out."""
        return cls(**_known(cls, document))


@dataclass(frozen=True)
class AttemptDocument:
    """`attempt.json`: where one attempt stands. Times are seconds since 1970 (UTC), None while not reached.

    `progress` is the last line for a person, `metrics` the last values by name, `queue_position` counts
    from 1, `supervisor` has `pid`, `host`, `boot_id`, `started_at`; `environment` has `digest`, `packages`,
    `warnings`; `handle` is the target's handle, `notes` whatever else the target must remember.
    `store_identity` is the store's as the attempt began, part of the names of what it has elsewhere; empty for
    attempts that began before stores had one.
    """

    run_id: str
    attempt: int
    status: Status = Status.NOT_STARTED
    outcome: Outcome | None = None
    target: str = ""
    plan: dict[str, Any] | None = None
    handle: dict[str, Any] | None = None
    created_at: float = 0.0
    queued_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    acknowledged: bool = False
    cancel_requested: bool = False
    queue_position: int | None = None
    progress: str | None = None
    metrics: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    supervisor: dict[str, Any] | None = None
    cost: dict[str, Any] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    store_identity: str = ""
    version: int = VERSION

    @property
    def is_live(self) -> bool:
        """Whether the attempt can still change by itself."""
        return not self.status.is_terminal

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
        if not self.store_identity:
            del document["store_identity"]  # of before: its document stays as it was
        document["status"] = self.status.value
        document["outcome"] = self.outcome.to_json() if self.outcome else None
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> AttemptDocument:
        """Reads what `to_json` wrote; fields of a newer version are left out."""
        known = _known(cls, document)
        known["status"] = Status(document.get("status", Status.NOT_STARTED))
        outcome = document.get("outcome")
        known["outcome"] = Outcome.from_json(outcome) if outcome else None
        return cls(**known)


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


def encode(document: dict[str, Any], secrets: tuple[str, ...] = ()) -> bytes:
    """JSON text with sorted keys; every one of `secrets` in a string of it is masked."""
    value = masked(document, secrets) if secrets else document
    if (
        secrets
    ):  # by these the run is found and taken on; a secret that has the same letters hides nothing here
        value |= {name: document[name] for name in _IDENTITY if name in document}
    return json.dumps(value, indent=1, sort_keys=True, default=str).encode("ascii") + b"\n"


def decode(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `data`. Raises `TrainingError` naming `where` if it is none."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise TrainingError(f"{where} is damaged: it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise TrainingError(f"{where} is damaged: it is not a JSON object")
    return value


def masked(value: Any, secrets: tuple[str, ...], *, is_prose: bool = False) -> Any:
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


_D = TypeVar("_D", RunDocument, AttemptDocument)


def _known(kind: type[_D], document: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {k: v for k, v in document.items() if k in names}
