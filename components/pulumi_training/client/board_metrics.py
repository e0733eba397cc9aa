"""Metrics as event files, so that TensorBoard shows what a script reported without writing any of its own."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..record.metrics import STEP, TOTAL, MetricsReader
from ..spec.errors import TrainingError

if TYPE_CHECKING:
    from ..record.attempt import Attempt
    from .run import Run


class MetricsWriter:
    """Writes one rank's metrics on into an event file below `folder`, which is made with the first of them."""

    def __init__(self, folder: Path, attempt: Attempt, rank: int) -> None:
        self._folder = folder
        self._reader = MetricsReader(attempt, rank)
        self._counts: Counter[str] = Counter()
        self._writer: Any = None

    def turn(self, *, ended: bool = False) -> int:
        """Writes what was reported since the last turn, and returns how many values that were.

        Lines carry no time, so that what comes in one turn has that of the turn.
        """
        points = self._reader.read_new(ended=ended)
        now = self._reader.attempt.document().ended_at or time.time() if points else 0.0
        count = 0
        for point in points:
            for name, value in point.values.items():
                if name in (STEP, TOTAL):
                    continue
                step = _step(point.step)
                step = self._counts[name] if step is None else step
                self._counts[name] += 1
                self._open().add_scalar(name, value, step, wall_time=now)
                count += 1
        if count:
            self._writer.flush()
        if ended:
            self.close()
        return count

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self) -> Any:
        if self._writer is None:
            from tensorboard.summary import Writer

            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = Writer(str(self._folder))
        return self._writer


def _step(step: float | None) -> int | None:
    """A step as TensorBoard takes it, which has 64 bits for it; what it does not take counts as not given."""
    return int(step) if step is not None and math.isfinite(step) and abs(step) < 2**63 else None


def export_to_tensorboard(run: Run, logdir: str | os.PathLike[str]) -> Path:
    """Writes a run's metrics, as far as they have come, as event files below `logdir`; returns the folder.

    Raises:
        TrainingError: TensorBoard is not installed, or the run reported nothing.
    """
    from .board import require_tensorboard

    require_tensorboard()
    attempt = run.record.newest()
    folder = Path(logdir).expanduser() / run.id
    if attempt is None:
        raise TrainingError(f"run {run.id} was pruned, or never started; it has no metrics")
    rank = run.record.run_document().job.metrics_rank
    if not MetricsWriter(folder, attempt, rank).turn(ended=True):
        raise TrainingError(f"run {run.id} has reported no metric; there is nothing to export")
    return folder
