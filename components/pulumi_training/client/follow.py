"""Logs as they come: one rank's bytes or every rank's lines, until the run has ended, across its retries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.lock import DriverLock
from ..record.logs import CHUNK, LogLine, interleave, new_lines, ranks, read_log, size
from ..record.record import Record
from ..spec.errors import PermanentError, TransientError
from ..spec.outcome import Reason

_LOCAL_SECONDS = 0.2
_REMOTE_SECONDS = 2.0
_CHECK_SECONDS = 3.0
_UNATTENDED_SECONDS = 15.0


@dataclass(frozen=True)
class Turn:
    """From here on it is `attempt` that speaks; `before` is how the attempt before it ended."""

    attempt: int
    before: AttemptDocument


@dataclass
class Following:
    """How to follow: `every` seconds between two looks (None: by the store), and who is told what happens.

    `sleep` and `clock` are for tests.
    """

    every: float | None = None
    tell: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _silent_since: float | None = field(default=None, init=False)
    _checked: float | None = field(default=None, init=False)

    def looks(self, record: Record, number: int) -> Iterator[tuple[Attempt, AttemptDocument]]:
        """The attempt with its document at every look; the last look of each attempt is at its end.

        Raises:
            PermanentError: nobody drives the run any more, and nothing here can.
        """
        attempt = record.attempt(number)
        every = self.every or (_LOCAL_SECONDS if record.store.is_local else _REMOTE_SECONDS)
        while True:
            document = attempt.document()
            yield attempt, document
            if document.status.is_terminal:
                if document.is_over:
                    return
                following = record.attempt(attempt.number + 1)
                if following.exists():
                    attempt = following
                    continue
            self._check_driver(record, attempt, document)
            self.sleep(every)

    def _check_driver(self, record: Record, attempt: Attempt, document: AttemptDocument) -> None:
        """Replaces a dead driver of a submitted run; one that was not submitted needs the program's secrets."""
        now = self.clock()
        if self._checked is not None and now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        try:
            if DriverLock(record).holder() is not None:
                self._silent_since = None
                return
        except TransientError:
            return
        if self._silent_since is None:
            self._silent_since = now  # it may be starting
            return
        from ..driver.attach import needs_driver, observed

        if needs_driver(document):
            self.tell(f"the process that drove {record.run_id} is gone; another one takes over")
            observed(record, attempt, document.notes.base)
        if now - self._silent_since > _UNATTENDED_SECONDS:
            raise PermanentError(
                Reason.SUPERVISOR_LOST,
                f"Nobody drives {record.run_id}, which is {document.status.value}; `pulumi up` goes on with it.",
            )


def to_the_end(record: Record, number: int, *, prints: bool) -> None:
    """Returns when the run has ended, its retries too; `prints` prints every rank's lines as they come.

    Raises:
        PermanentError: as `Following.looks`.
    """
    following = Following(tell=print if prints else lambda _: None)
    if not prints:
        for _ in following.looks(record, number):
            pass
        return
    width = record.run_document().job.world_size
    for item in lines(record, number, following=following):
        if isinstance(item, Turn):
            print(f"--- attempt {item.attempt}", flush=True)
        else:
            print(next(interleave([item], world_size=width)), flush=True)


def lines(
    record: Record, number: int, *, tail: int | None = None, following: Following | None = None
) -> Iterator[LogLine | Turn]:
    """Every rank's lines of attempt `number`; with `following` as they come, until the run has ended.

    `tail` begins at each rank's last so many lines. A `Turn` comes before the lines of a retry.
    """
    is_first = True
    for attempt, cursors, has_ended in _visits(record, number, following):
        if isinstance(attempt, Turn):
            yield attempt
            continue
        if is_first and tail is not None:
            cursors.update({rank: tail_start(attempt, rank, tail) for rank in ranks(attempt)})
        is_first = False
        yield from new_lines(attempt, cursors, ended=has_ended)


def chunks(
    record: Record, number: int, rank: int, *, tail: int | None = None, following: Following | None = None
) -> Iterator[bytes | Turn]:
    """One rank's bytes as it wrote them; the rest as `lines`."""
    for attempt, cursors, _ in _visits(record, number, following):
        if isinstance(attempt, Turn):
            yield attempt
            continue
        if rank not in cursors:
            cuts = tail is not None and attempt.number == number
            cursors[rank] = tail_start(attempt, rank, tail or 0) if cuts else 0
        while True:
            data, cursors[rank] = read_log(attempt, rank, cursors[rank])
            if not data:
                break
            yield data


def tail_start(attempt: Attempt, rank: int, count: int) -> int:
    """The byte where a rank's last `count` lines begin; read from the log's end, so that a long one costs little."""
    end = size(attempt, rank)
    if count <= 0:
        return end
    place, wanted = end, count
    while place > 0:
        step = min(CHUNK, place)
        data, _ = read_log(attempt, rank, place - step, limit=step)
        if place == end and data.endswith(b"\n"):
            wanted += 1  # the end of the last line begins no further one
        position = len(data)
        while (position := data.rfind(b"\n", 0, position)) >= 0:
            wanted -= 1
            if wanted == 0:
                return place - step + position + 1
        place -= step
    return 0


def _visits(
    record: Record, number: int, following: Following | None
) -> Iterator[tuple[Attempt, dict[int, int], bool] | tuple[Turn, dict[int, int], bool]]:
    """What to read at each look: the attempt, the places reached in its logs, and whether it has ended."""
    cursors: dict[int, int] = {}
    if following is None:
        yield record.attempt(number), cursors, True
        return
    before: AttemptDocument | None = None
    for attempt, document in following.looks(record, number):
        if before is not None and attempt.number != before.attempt:
            cursors = {}
            yield Turn(attempt.number, before), cursors, False
        before = document
        # The document was read before the logs are: where it says ended, nothing comes after.
        yield attempt, cursors, document.status.is_terminal
