"""The machine: system, Python, cores, memory, GPUs, folders."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ...spec.text import count
from ...targets.contract.check import Check, State
from ..text import size

_GIB = 1 << 30
_LITTLE = 5 * _GIB
_TOO_LITTLE = _GIB // 4
_MIN_PYTHON = (3, 10)


def system() -> list[Check]:
    """Linux and macOS run; Windows does not, WSL does."""
    name = f"{platform.system()} {platform.release()} {platform.machine()}"
    if sys.platform.startswith("linux") or sys.platform == "darwin":
        return [Check("System", State.OK, name)]
    return [Check("System", State.FAIL, f"{name} is not supported", "use Linux, macOS or WSL")]


def python() -> list[Check]:
    """The Python that this runs in."""
    words = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info[:2] >= _MIN_PYTHON:
        return [Check("Python", State.OK, words)]
    return [Check("Python", State.FAIL, words, "install Python 3.10 or newer")]


def machine() -> list[Check]:
    """Cores, memory and GPUs: what slots can be made of."""
    import psutil

    memory = psutil.virtual_memory()
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    words = count(cores, "core") + (f", {usable} of them for this user" if usable != cores else "")
    return [
        Check("Cores", State.OK, words),
        Check("Memory", State.OK, f"{size(memory.total)}, {size(memory.available)} free"),
        _gpus(),
    ]


def folders() -> list[Check]:
    """The cache, where environments are built, and the state folder."""
    from ...environment import cache
    from ...record.staging import state_folder

    return [
        _folder("Cache folder", cache.root(), "TRAINING_CACHE_DIR"),
        _folder("State folder", state_folder(), "TRAINING_STATE_DIR"),
    ]


def _folder(name: str, folder: Path, variable: str) -> Check:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    remedy = f"export {variable}=/a/folder/with/room"
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Check(name, State.FAIL, f"{folder} cannot be written: {error.strerror or error}", remedy)
    free = shutil.disk_usage(existing).free
    words = f"{folder}, {size(free)} free"
    if free < _TOO_LITTLE:
        return Check(name, State.FAIL, words, remedy)
    if free < _LITTLE:
        return Check(name, State.WARN, words, f"free some space, or: {remedy}")
    return Check(name, State.OK, words)


def _gpus() -> Check:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Check("GPUs", State.INFO, "none (no nvidia-smi)")
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(
            "GPUs", State.WARN, f"nvidia-smi does not answer: {error}", "check the driver: nvidia-smi"
        )
    if answer.returncode:
        said = (answer.stdout + answer.stderr).strip().splitlines()
        words = said[0] if said else f"exit code {answer.returncode}"
        return Check("GPUs", State.WARN, f"nvidia-smi: {words}", "check the driver: nvidia-smi")
    found = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    return Check("GPUs", State.OK, f"{len(found)}: {'; '.join(found)}")
