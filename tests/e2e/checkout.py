"""A copy of the checkout, as a new user has it, and a shell in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from services import missing

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout, with the virtual environment that runs this test as its own.

    `-o` tells make to take that environment as it is: to install again into a shared one would turn it to the copy.
    """

    folder: Path
    environment: dict[str, str]

    def make(self, *words: str) -> str:
        """What `make` and everything below it said; an AssertionError where it failed."""
        return self.run("make", "-o", ".venv/.run", "-o", ".venv/.docker", *words)

    def shell(self, line: str, folder: Path | None = None) -> str:
        """A line typed into a shell where `tools/pulumi env` was evaluated."""
        return self.run("sh", "-c", f'eval "$({self.folder}/tools/pulumi env)" && {line}', folder=folder)

    def run(self, *line: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            line, cwd=folder or self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{line} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if line[-1].endswith("--json") else done.stdout + done.stderr

    def processes(self) -> list[psutil.Process]:
        """The live processes that have to do with this copy."""
        return [process for process in psutil.process_iter() if _mentions(process, str(self.folder.parent))]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    if subprocess.run([ROOT / "tools" / "pulumi", "where"], capture_output=True).returncode:
        missing("engine", "no pulumi: run tools/pulumi")
    folder = tmp_path / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    kept = {
        n: v
        for n, v in os.environ.items()
        if not n.startswith(("PULUMI_", "TRAINING_", "VIRTUAL_ENV", "MAKE"))
    }
    if "TRAINING_ENGINE_DIR" in os.environ:
        kept["TRAINING_ENGINE_DIR"] = os.environ["TRAINING_ENGINE_DIR"]
    own = {
        "PULUMI_HOME": str(tmp_path / "pulumi-home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "TRAINING_STATE_DIR": str(tmp_path / "training-state"),
        "TRAINING_CACHE_DIR": str(tmp_path / "training-cache"),
        "NO_COLOR": "1",
    }
    return Checkout(folder, {**kept, **own})


def _mentions(process: psutil.Process, text: str) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(text in value for value in (*process.environ().values(), *process.cmdline()))
    except (psutil.Error, OSError):
        return False
