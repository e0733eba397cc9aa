"""The steps of an attempt that a service owns, apart: begun, and concluded when somebody has seen its end."""

from __future__ import annotations

import time
from typing import NoReturn

from ...spec.attribution import attribute
from ...spec.errors import PermanentError
from ...spec.outcome import Outcome, Status
from ...targets.contract.handle import Handle
from ...targets.contract.observation import Observation
from ..passage import Passage


class UnattendedLifecycle(Passage):
    """See `Passage`; nothing here waits for the end."""

    def begin(self) -> Handle | Outcome:
        """Submits or adopts the attempt. An outcome, which is in the record, where there is nothing to wait for.

        Raises:
            TrainingError: as `Passage.take`.
        """
        document = self._attempt.document()
        if document.status.is_terminal and document.outcome:
            return document.outcome
        begun = self._guarded(self._found_or_started)
        return self._settled(begun) if isinstance(begun, Outcome) else begun

    def conclude(self, handle: Handle, seen: Observation) -> Outcome:
        """Settles an attempt whose end was seen. Raises `TrainingError` as `Passage.take`."""
        self._submitted = handle
        return self._settled(self._guarded(lambda: attribute(seen.launch, seen.ranks)))

    def end(self, handle: Handle, why: PermanentError) -> Outcome:
        """Stops an attempt and settles it with the reason of `why`. Raises `TrainingError` as `Passage.take`."""
        self._submitted = handle
        return self._settled(self._guarded(lambda: _raise(why)))

    def _note_submission(self, handle: Handle, summary: str) -> None:
        """The service has it; when it runs, `Monitor` notes."""
        now = time.time()
        self._attempt.update(
            status=Status.QUEUED,
            handle=handle.to_json(),
            queued_at=self._attempt.document().queued_at or now,
            queue_position=None,
            progress=f"submitted {summary}".rstrip(),
        )
        self._attempt.event("submitted", f"attempt {self._attempt.number} was submitted")


def _raise(error: PermanentError) -> NoReturn:
    raise error
