"""What is forgotten of a run: all but a tombstone that still answers, or all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..spec.document import DamagedDocument
from ..spec.errors import TrainingError
from ..spec.refusals import is_full
from .attempt import Attempt
from .record import Record
from .store import StoreError
from .tags import tags_of_script

if TYPE_CHECKING:
    from .manifest import Manifest


def prune(record: Record) -> dict[str, Any]:
    """Removes every attempt of a finished run and leaves a tombstone in `run.json`; returns it.

    The tombstone keeps `pruned_at` (seconds since 1970), the newest attempt's document without its plan, the
    labels that its script gave, and the manifest's digest and size. Twice is no error.

    Raises:
        TrainingError: an attempt is live.
    """
    run = record.run_document()
    attempts = [record.attempt(number) for number in record.attempts()]
    for attempt in attempts:
        document = attempt.document()
        if document.is_live:
            raise TrainingError(
                f"{record.run_id} is {document.status.value}; only a finished run can be pruned"
            )
    tombstone = run.tombstone
    if tombstone is None:
        tombstone = {"pruned_at": time.time(), "attempt": None, "tags": {}, "outputs": None}
        if attempts:
            manifest = _manifest_if_whole(attempts[-1])
            tombstone["attempt"] = {**attempts[-1].document().to_json(), "plan": None}
            tombstone["tags"] = tags_of_script(attempts[-1])
            tombstone["outputs"] = manifest and {
                "digest": manifest.digest,
                "files": len(manifest.entries),
                "size": manifest.size,
            }
        # First the tombstone, then the files: a kill in between leaves a run that can be pruned again.
        _leave(record, attempts, tombstone)
    record.store.delete(f"{record.prefix}/attempts")
    if not record.store.is_local:
        for attempt in attempts:
            shutil.rmtree(attempt.folder, ignore_errors=True)
    return tombstone


def _leave(record: Record, attempts: Sequence[Attempt], tombstone: dict[str, Any]) -> None:
    """Writes the tombstone. Where the disk has no room for it, what is to go anyway goes first."""
    try:
        record.update_run(tombstone=tombstone)
    except StoreError as error:
        if not is_full(error):
            raise
        for attempt in attempts:
            record.store.delete(f"{attempt.prefix}/outputs")
        record.update_run(tombstone=tombstone)


def _manifest_if_whole(attempt: Attempt) -> Manifest | None:
    """A damaged list of outputs holds nothing up: it is lost already, and the outputs are about to go."""
    try:
        return attempt.manifest()
    except DamagedDocument:
        return None


def purge(record: Record) -> None:
    """Removes all that is kept of a run, tombstone too. Raises `TrainingError` while an attempt is live."""
    if record.exists():
        prune(record)
    record.store.delete(record.prefix)
