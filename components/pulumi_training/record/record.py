"""The record of a run: its document and its attempts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..spec.document import DamagedDocument, UnreadableDocument
from ..spec.errors import Problem, SpecError, TrainingError, TransientError
from .attempt import Attempt
from .documents import ADVICE, AttemptDocument, RunDocument, encode, load
from .files import OURS, locked
from .store import NotFound, Store, refuse_newer

_NUMBER = re.compile(r"^[1-9][0-9]{0,8}$")
RUN_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
"""What a run may be called; a folder of another name holds none."""


class Record:
    """What `store` keeps of the run `run_id`. Making the object touches nothing.

    Strings in `secrets` are masked in everything written through it. Raises `SpecError` for a run id that is
    not a plain name.
    """

    def __init__(self, store: Store, run_id: str, *, secrets: Iterable[str] = ()) -> None:
        if not RUN_ID.match(run_id):
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
        return self.store.is_taken(self._key)

    def run_document(self) -> RunDocument:
        """What the run is. Raises `NotFound`, `UnreadableDocument`."""
        where = f"{self.location}/run.json"
        found = RunDocument.from_json(load(self.store, self._key, where), where)
        if found.run_id != self.run_id:
            raise DamagedDocument(where, f"it is the document of run {found.run_id}", ADVICE)
        return found

    def write_run(self, document: RunDocument) -> None:
        """Writes `run.json` whole. Raises `NewerDocument` where a newer version wrote what is there."""
        refuse_newer(self.store, self._key)
        stamped = document if document.created_at else replace(document, created_at=time.time())
        self.store.write(self._key, encode(stamped.to_json(), self._secrets))

    def update_run(self, **changes: object) -> RunDocument:
        """Changes fields of `run.json`, in a folder store under a lock.

        Raises:
            NotFound: there is none.
            UnreadableDocument: it is damaged, or the record is of a newer version, which is never written.
        """
        self.refuse_newer()
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
        return sorted(n for n in self.numbers() if self.attempt(n).exists())

    def numbers(self) -> list[int]:
        """The numbers of the attempts that have a folder, ascending, with an intent or without."""
        names = self.store.children(f"{self.prefix}/attempts")
        return sorted(int(name) for name in names if _NUMBER.match(name))

    def refuse_newer(self) -> None:
        """Raises `NewerDocument` where a newer version wrote the run's document or that of its newest attempt."""
        refuse_newer(self.store, self._key)
        for attempt in self._newest_first():
            refuse_newer(self.store, f"{attempt.prefix}/attempt.json")
            return

    def attempt(self, number: int) -> Attempt:
        """Attempt `number`, whether it exists or not."""
        return Attempt(self.store, self.run_id, number, self._secrets)

    def newest(self) -> Attempt | None:
        """The attempt with the highest number, None before the first.

        Raises `DamagedDocument` where what is left of a later one has no document: nothing is begun on top of that.
        """
        for attempt in self._newest_first():
            if attempt.exists():
                return attempt
            self._refuse_rest(attempt)
        return None

    def newest_document(self, run: RunDocument | None = None) -> AttemptDocument | None:
        """The document of `newest()`, without a question beforehand whether it is there.

        `run` is the run's own document, where it was read already.
        """
        for attempt in self._newest_first():
            try:
                return attempt.document()
            except NotFound:
                self._refuse_rest(attempt, run)
        return None

    def start_attempt(self, document: AttemptDocument) -> Attempt | None:
        """Writes the intent of `document.attempt` and names it in `run.json`; None if somebody was first.

        The attempt gets the store's identity, and the store one where it has none yet.
        """
        self.refuse_newer()
        attempt = self.attempt(document.attempt)
        from .store_identity import ensure_identity

        document = replace(document, store_identity=ensure_identity(self.store))
        if not attempt.create(document):
            return None
        if self.exists() and self.run_document().newest_attempt < document.attempt:
            self.update_run(newest_attempt=document.attempt, tombstone=None)
        return attempt

    def _refuse_rest(self, attempt: Attempt, run: RunDocument | None = None) -> None:
        """A folder without an intent is nothing yet; an attempt that the run knows of has lost its document.

        Not where the run was pruned: whoever did so was ended in the middle, and it can be pruned again.
        """
        try:
            run = run or self.run_document()
        except (NotFound, UnreadableDocument):
            return  # whoever reads it is told
        if run.tombstone is not None or attempt.number > run.newest_attempt:
            return
        if self.store.children(attempt.prefix):
            raise DamagedDocument(f"{attempt.location}/attempt.json", "it is missing", ADVICE)

    def _newest_first(self) -> Iterator[Attempt]:
        return map(self.attempt, reversed(self.numbers()))

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
