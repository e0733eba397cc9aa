"""Where benchmarks run: a folder of their own, an environment without a person's settings, nothing left behind."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

CHECKOUT = Path(__file__).resolve().parents[1]
MEASURED = "BENCH_MEASURED"
"""Names another checkout, in the environment of a process that measures that one with the benchmarks of this one."""
COMPONENTS = Path(os.environ.get(MEASURED) or CHECKOUT) / "components"
_FORGOTTEN = ("PULUMI_", "TRAINING_")


@dataclass
class Bench:
    """What every benchmark is given.

    `kept` holds what is costly to make and is used by several benchmarks, by name. `pairs` is the number of rounds
    where two checkouts are compared.
    """

    folder: Path
    is_quick: bool = False
    pairs: int | None = None
    kept: dict[str, Any] = field(default_factory=dict)

    def rounds(self, usual: int) -> int:
        """How many rounds to take."""
        if self.pairs is not None:
            return self.pairs
        return max(2, usual // 3) if self.is_quick else usual

    def place(self, name: str) -> Path:
        """A folder for one purpose."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def say(self, text: str) -> None:
        """Tells the person who waits what is going on."""
        print(f"  {text}", file=sys.stderr, flush=True)


@contextmanager
def opened(*, is_quick: bool = False, pairs: int | None = None) -> Iterator[Bench]:
    """A bench whose caches and state are its own; at the end its processes are ended and its folder goes."""
    before = dict(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="training-bench-")).resolve()
    for name in [name for name in os.environ if name.startswith(_FORGOTTEN)]:
        del os.environ[name]
    os.environ.update(
        TRAINING_CACHE_DIR=str(folder / "cache"),
        TRAINING_STATE_DIR=str(folder / "state"),
        XDG_STATE_HOME=str(folder / "xdg-state"),
    )
    try:
        yield Bench(folder, is_quick, pairs)
    finally:
        end_processes(folder)
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def end_processes(folder: Path) -> int:
    """Kills what still runs of a bench, and answers how many there were."""
    left = [process for process in psutil.process_iter() if _belongs(process, str(folder))]
    for process in left:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(left, timeout=10)
    return len(left)


def _belongs(process: psutil.Process, folder: str) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        environment = process.environ()
        return (
            environment.get("TRAINING_STATE_DIR", "").startswith(folder)
            or environment.get("TRAINING_OUTPUT_DIR", "").startswith(folder)
            or process.cwd().startswith(folder)
        )
    except (psutil.Error, OSError):
        return False
