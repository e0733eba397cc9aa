"""The record of a run: its document and its attempts; and every run of a store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..spec.errors import Problem, SpecError, TrainingError, TransientError
from .attempt import Attempt
from .documents import AttemptDocument, RunDocument, decode, encode
from .files import OURS, locked
from .store import NotFound, Store
from .store_identity import ensure_identity

_RUN_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")


class Record:
    """What `store` keeps of the run `run_id`. Making the object touches nothing.

    Strings in `secrets` are masked in everything written through it. Raises `SpecError` for a run id that is
    not a plain name.
    """

    def __init__(self, store: Store, run_id: str, *, secrets: Iterable[str] = ()) -> None:
        if not _RUN_ID.match(run_id):
            raise SpecError(Problem("runId", f"{run_id!r} is not a run id"))
        self.store = store
        self.run_id = run_id
        self.prefix = f"runs/{run_id}"
        self._secrets = tuple(secrets)

    @property
    def location(self) -> str:
        """Where the run is kept: a folder or a URL, without credentials."""
        return f"{self.store.display.rstrip('/')}/{self.prefix}"

    def exists(self) -> bool:
        """Whether `run.json` was written."""
        return self.store.exists(self._key)

    def run_document(self) -> RunDocument:
        """What the run is. Raises `NotFound`."""
        return RunDocument.from_json(decode(self.store.read(self._key), f"{self.location}/run.json"))

    def write_run(self, document: RunDocument) -> None:
        """Writes `run.json` whole."""
        stamped = document if document.created_at else replace(document, created_at=time.time())
        self.store.write(self._key, encode(stamped.to_json(), self._secrets))

    def update_run(self, **changes: Any) -> RunDocument:
        """Changes fields of `run.json`, in a folder store under a lock. Raises `NotFound`."""
        folder = self.store.local_path(self.prefix)
        if folder is None:
            return self._change_run(changes)
        if not folder.is_dir():
            raise NotFound(self._key, self.store.display)
        try:
            with locked(folder / f"{OURS}run.lock"):
                return self._change_run(changes)
        except TimeoutError as error:
            raise TransientError(str(error)) from error

    def attempts(self) -> list[int]:
        """The numbers of the attempts that have an intent, ascending; they count from 1."""
        numbers = (int(name) for name in self.store.children(f"{self.prefix}/attempts") if name.isdigit())
        return sorted(n for n in numbers if self.attempt(n).exists())

    def attempt(self, number: int) -> Attempt:
        """Attempt `number`, whether it exists or not."""
        return Attempt(self.store, self.run_id, number, self._secrets)

    def newest(self) -> Attempt | None:
        """The attempt with the highest number, None before the first."""
        return next((attempt for attempt in self._newest_first() if attempt.exists()), None)

    def newest_document(self) -> AttemptDocument | None:
        """The document of `newest()`, without a question beforehand whether it is there."""
        for attempt in self._newest_first():
            try:
                return attempt.document()
            except NotFound:
                continue  # a folder without an intent
        return None

    def start_attempt(self, document: AttemptDocument) -> Attempt | None:
        """Writes the intent of `document.attempt` and names it in `run.json`; None if somebody was first.

        The attempt gets the store's identity, and the store one where it has none yet.
        """
        attempt = self.attempt(document.attempt)
        document = replace(document, store_identity=ensure_identity(self.store))
        if not attempt.create(document):
            return None
        if self.exists() and self.run_document().newest_attempt < document.attempt:
            self.update_run(newest_attempt=document.attempt, tombstone=None)
        return attempt

    def _newest_first(self) -> Iterator[Attempt]:
        names = self.store.children(f"{self.prefix}/attempts")
        return map(self.attempt, sorted((int(name) for name in names if name.isdigit()), reverse=True))

    def _change_run(self, changes: dict[str, Any]) -> RunDocument:
        old = self.run_document()
        try:
            new = replace(old, **changes)
        except TypeError as error:
            raise TrainingError(f"A run has no such field: {error}") from error
        if new != old:
            self.write_run(new)
        return new

    @property
    def _key(self) -> str:
        return f"{self.prefix}/run.json"

    def __repr__(self) -> str:
        return f"Record({self.location!r})"


@dataclass(frozen=True)
class RunSummary:
    """A line of a list of runs: the run, and its newest attempt (None before the first; what is
    left of it after pruning)."""

    run: RunDocument
    attempt: AttemptDocument | None


def runs(store: Store) -> Iterator[RunSummary]:
    """Every run of `store`, the one started last first. Damaged documents are left out, not fatal."""
    names = [name for name in store.children("runs") if _RUN_ID.match(name)]
    if store.is_local:
        found = map(_summary, (Record(store, name) for name in names))
        return iter(sorted((s for s in found if s), key=_started, reverse=True))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        return iter(
            sorted(
                (s for s in pool.map(_summary, (Record(store, n) for n in names)) if s),
                key=_started,
                reverse=True,
            )
        )


def _summary(record: Record) -> RunSummary | None:
    try:
        run = record.run_document()
        attempt = record.newest_document()
        if attempt:
            return RunSummary(run, attempt)
        left = (run.tombstone or {}).get("attempt")
        return RunSummary(run, AttemptDocument.from_json(left) if left else None)
    except TransientError:
        raise
    except TrainingError:
        return None


def _started(summary: RunSummary) -> float:
    return max(summary.run.created_at, summary.attempt.created_at if summary.attempt else 0.0)
