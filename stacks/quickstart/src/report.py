"""What a run tells the outside world: a line on the screen, a metric, a TensorBoard event, a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

OUTPUTS = Path(os.environ.get("TRAINING_OUTPUT_DIR", "outputs"))
LOGS = Path(os.environ.get("TRAINING_LOG_DIR", "logs"))


class Report:
    """Tells how the training goes. Every rank has one; the first rank also prints and draws curves."""

    def __init__(self, rank: int) -> None:
        # Outside a run nobody set TRAINING_METRICS: then there is no metrics file.
        path = Path(os.environ.get("TRAINING_METRICS", os.devnull))
        self._metrics = path.open("a", buffering=1)  # a line is on disk as soon as it is written
        self._curves = None
        if rank == 0:
            from tensorboardX import SummaryWriter

            self._curves = SummaryWriter(str(LOGS))

    def epoch(self, step: int, total: int, **values: float) -> None:
        """Epoch `step` of `total` is over; `values` are any numbers by name."""
        self._metrics.write(json.dumps({"step": step, "total": total, **values}) + "\n")
        if self._curves is None:
            return
        for name, value in values.items():
            self._curves.add_scalar(name, value, step)
        self._curves.flush()
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        print(f"epoch {step:>{len(str(total))}}/{total}  {numbers}", flush=True)

    def close(self) -> None:
        """Writes what is still in memory."""
        self._metrics.close()
        if self._curves is not None:
            self._curves.close()


def save(name: str, **arrays: Any) -> None:
    """Saves arrays as `outputs/<name>`, whole or not at all: a reader never meets half a file."""
    OUTPUTS.mkdir(parents=True, exist_ok=True)
    part = OUTPUTS / f".{name}.part"
    with part.open("wb") as stream:
        np.savez(stream, **arrays)
    part.replace(OUTPUTS / name)


def load_checkpoint() -> dict[str, np.ndarray] | None:
    """The last checkpoint of the attempt that this one carries on from; None for a fresh start."""
    folder = os.environ.get("TRAINING_RESUME_FROM")
    if not folder:
        return None
    path = Path(folder) / "checkpoint.npz"
    if not path.is_file():
        print(f"no checkpoint in {folder}: starting from the beginning", flush=True)
        return None
    with np.load(path) as saved:
        return dict(saved)
