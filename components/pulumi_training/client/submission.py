"""A run on its way to the engine: the process that submits it, and what it said when it could not.

Everything about it is in one file, so that another notebook, or the same one after a restart, knows it too.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ..record.files import write_whole
from ..spec.document import object_or_none
from ..spec.errors import TrainingError
from ..spec.urls import without_credentials
from .submission_check import Checked
from .submission_engine import environment, experiments_folder, find_pulumi

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_BOOTSTRAP = "import sys; sys.path.append(sys.argv[1]); from pulumi_training.client.submission_process import main; main()"
_KEPT_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Submission:
    """One submission, as its file tells it. The file holds no input of the job."""

    file: Path

    def is_over(self) -> bool:
        """Whether the process that submits has ended, by itself or not."""
        document = self._document()
        return "ended_at" in document or not _is_alive(document)

    def failure(self) -> str | None:
        """Why nothing was submitted; None where something was, and while it is not known yet."""
        document = self._document()
        if "ended_at" in document:
            error = document.get("error")
            return str(error) if error else None
        if _is_alive(document):
            return None
        document = self._document()  # it may have ended between the two looks
        if "ended_at" in document:
            return document.get("error")
        return f"the process that submitted it is gone; its log is {self.file.with_suffix('.log')}"

    @property
    def run_id(self) -> str:
        """The run that is submitted."""
        return str(self._document().get("run_id", ""))

    @property
    def store(self) -> str:
        """The store of its record."""
        return str(self._document().get("store", ""))

    def _document(self) -> dict[str, Any]:
        try:
            found = object_or_none(self.file.read_bytes())
        except OSError:
            found = None
        return {"ended_at": 0.0, "error": f"{self.file} cannot be read"} if found is None else found


def start(checked: Checked, base: Path, *, refresh: bool = False, replace: bool = False) -> Submission:
    """Starts the process that submits a job, and returns at once; the process outlives this one.

    `refresh` looks at the run's record first, so that a failed one goes on as the outcome table says; `replace`
    starts another attempt in any case. Inputs, secrets among them, go through a pipe and into no file.

    Raises:
        TrainingError: there is no pulumi, or this user's folder cannot be written.
    """
    pulumi = find_pulumi()
    folder = experiments_folder() / checked.project / checked.stack
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        file = folder / f"{time.time_ns()}-{os.getpid()}.json"
        order = {
            "file": str(file),
            "folder": str(folder),
            "base": str(base),
            "pulumi": str(pulumi),
            "project": checked.project,
            "stack": checked.stack,
            "name": checked.name,
            "urn": checked.urn,
            "run_id": checked.record.run_id,
            "inputs": dict(checked.inputs),
            "refresh": refresh,
            "replace": replace,
        }
        process = _spawn(file, order, environment(pulumi), checked)
    except OSError as error:
        raise TrainingError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}; TRAINING_STATE_DIR names "
            "another folder"
        ) from error
    threading.Thread(target=process.wait, name=f"submit-{checked.record.run_id}", daemon=True).start()
    return Submission(file)


def was_submitted(checked: Checked) -> bool:
    """Whether this job was submitted from here before, so that its stack may have it."""
    return any((experiments_folder() / checked.project / checked.stack).glob("*.json"))


def pending(project: str | None = None) -> Iterator[Submission]:
    """The submissions of this machine that are under way, of one project or of all."""
    for file in sorted(experiments_folder().glob(f"{project or '*'}/*/*.json")):
        submission = Submission(file)
        if not submission.is_over():
            yield submission


def run_ids() -> set[str]:
    """The runs whose stacks are kept on this machine's own: no stack of the current backend knows them."""
    found = set()
    for file in experiments_folder().glob("*/*/*.json"):
        found.add(Submission(file).run_id)
    return found - {""}


def _spawn(
    file: Path, order: Mapping[str, object], variables: Mapping[str, str], checked: Checked
) -> subprocess.Popen[bytes]:
    with file.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _BOOTSTRAP, str(_PACKAGE_ROOT), checked.record.run_id],
            cwd=file.parent,
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    document = {
        "pid": process.pid,
        "created": _created(process.pid),
        "run_id": checked.record.run_id,
        "store": without_credentials(checked.record.store.url),
        "started_at": time.time(),
    }
    # Before the process has its order: it writes its end into the same file.
    write_whole(file, json.dumps(document).encode(), durable=False)
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # it died: its log says of what
        pipe.write(json.dumps(order).encode())
    return process


def _is_alive(document: Mapping[str, Any]) -> bool:
    pid = document.get("pid")
    if not isinstance(pid, int):
        return False
    try:
        process = psutil.Process(pid)
        is_same = abs(process.create_time() - float(document.get("created") or 0.0)) < 1.0
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _created(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def _sweep(folder: Path) -> None:
    """Takes away what submissions of days ago said; the newest stays, it tells whose stack this is."""
    files = sorted(folder.glob("*.json"))
    for file in files[:-1]:
        if Submission(file).is_over() and time.time() - file.stat().st_mtime > _KEPT_SECONDS:
            file.with_suffix(".log").unlink(missing_ok=True)
            file.unlink(missing_ok=True)
