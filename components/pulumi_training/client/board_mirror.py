"""A run's event files in the folder that TensorBoard looks at: linked where they are on this machine, else brought.

`<folder>` has what the first attempt that is shown wrote to `./logs`, at the same relative paths, and
`<folder>/metrics` what it reported as metrics; each later attempt has a folder of its own beside it.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

from ..agent.beneath import find_beneath
from ..record.attempt import Attempt
from ..record.record import Record
from .board_metrics import MetricsWriter
from .files import Listed, listing

_CHUNK = 1 << 22
_FAR_SECONDS = 2.0
"""How often a store that is not a folder of this machine is asked for what is new."""
_OURS = ("logs/std/", "logs/stacks/")


class Mirror:
    """One run's folder; `turn` brings it up to date.

    `after` tells the attempt before the one that is waited for, 0 where none is.
    """

    def __init__(self, folder: Path, record: Record, after: Callable[[], int] = lambda: 0) -> None:
        self._folder = folder
        self._record = record
        self._after = after
        self._shown: dict[int, _Shown] = {}

    def turn(self) -> None:
        """Brings what is new of the newest attempt, and the rest of those that it follows.

        Raises:
            TrainingError: the store does not answer. OSError: the folder cannot be written.
        """
        newest = self._record.newest()
        if newest is not None and newest.number not in self._shown and newest.number > self._after():
            self._show(newest)
        for shown in self._shown.values():
            shown.turn()

    def _show(self, newest: Attempt) -> None:
        for number in self._record.attempts() if self._shown else [newest.number]:
            if number > max(self._shown, default=0):
                apart = f"-a{number}" if self._shown else ""
                self._shown[number] = _Shown(
                    self._folder.with_name(self._folder.name + apart),
                    self._record.attempt(number),
                    self._record.run_document().job.metrics_rank,
                )


class _Shown:
    """One attempt's folder."""

    def __init__(self, folder: Path, attempt: Attempt, metrics_rank: int) -> None:
        self._folder = folder
        self._attempt = attempt
        self._is_complete = False
        self._next = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "metrics", ignore_errors=True)  # of an earlier board in the same folder
        self._metrics = MetricsWriter(folder / "metrics", attempt, metrics_rank)

    def turn(self) -> None:
        if self._is_complete or time.monotonic() < self._next:
            return
        has_ended = self._attempt.document().status.is_terminal  # before the files are looked at
        for file in listing(self._attempt, "logs"):
            if is_event_file(file.path):
                self._bring(file)
        self._metrics.turn(ended=has_ended)
        self._is_complete = has_ended
        if not self._attempt.store.is_local:
            self._next = time.monotonic() + _FAR_SECONDS

    def _bring(self, file: Listed) -> None:
        place = self._folder / file.path.removeprefix("logs/")
        here = self._here(file.path)
        if place.is_symlink():
            if here is not None and Path(os.readlink(place)) == here:
                return
            place.unlink()  # the working copy of a remote store was taken away, or a script put a link there
        place.parent.mkdir(parents=True, exist_ok=True)
        if here is not None and not place.exists():
            place.symlink_to(here)
            return
        self._download(file, place)

    def _here(self, path: str) -> Path | None:
        """The file itself on this machine: TensorBoard would follow whatever link a script put in its place."""
        folder = self._attempt.folder
        try:
            real, at = find_beneath(str(folder), path)
        except OSError:
            return None
        return folder / real if stat.S_ISREG(at.st_mode) else None

    def _download(self, file: Listed, place: Path) -> None:
        """Appends what is new: event files only grow. One that became shorter is another one."""
        have = place.stat().st_size if place.exists() else 0
        if have > file.size:
            place.unlink()
            have = 0
        key = f"{self._attempt.prefix}/{file.path}"
        with place.open("ab") as stream:
            while have < file.size:
                data = self._attempt.store.read(key, have, _CHUNK)
                if not data:
                    return
                stream.write(data)
                have += len(data)


def is_event_file(path: str) -> bool:
    """Whether TensorBoard reads a file of `./logs`: event files, and what its plugins keep beside them."""
    name = path.rpartition("/")[2]
    is_read = "tfevents" in name or "/plugins/" in path or name.startswith("projector_config")
    return is_read and not path.startswith(_OURS)
