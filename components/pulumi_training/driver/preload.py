"""Loads, while a run runs, what its driver will need at its end: an upgrade may have taken the files away by then.

The driver loads little at first, because ranks wait for it. Once they run it has time; a modest priority leaves them
the cores. What is of this package could be loaded later too (`own_code`), other packages could not.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from ..spec.errors import TrainingError
from ..spec.urls import scheme_of
from ..targets.contract.target import Target

log = logging.getLogger(__name__)
_HEAD_START_SECONDS = 0.3
"""Short runs end before this, and pay for nothing but `_AT_ONCE`."""
_NICENESS = 5
_OURS = __package__.partition(".")[0]
_FINISHING = ("driver", "record", "identity")
_AGAIN = ("spec", "launch", "data", "environment")
"""Layers: what settles a run, and what makes its next attempt or delivers what it wrote."""
_ENDING = tuple(
    f"{_OURS}.{name}"
    for name in ("spec.attribution", "agent.marks", "agent.keep", "agent.sparse", "agent.forms", "agent.mask")
)
"""Of other layers: what judges an end, keeps what outputs link to, and masks what is written of it."""
_AT_ONCE = tuple(f"{_OURS}.{name}" for name in ("spec.attribution", "driver.settle", "record.manifest"))
"""What the end of every run needs, however short it is."""
_TOOLS = frozenset(("object_store",))
_OF_PROGRAMS = frozenset(("components", "arguments", "rules", "environment", "doctor"))
"""Parts of a target that no run needs: they are for programs, for checks and for people."""
_LIBRARIES = ("platformdirs", "psutil", "zstandard", "concurrent.futures.thread")
_LIBRARIES_AGAIN = (
    "pydantic", "filelock", "fsspec", "pathspec", "yaml", "packaging.requirements", "packaging.specifiers", "inspect", "uv",
)  # fmt: skip
_TRACKING = (
    "mlflow", "mlflow.entities", "mlflow.exceptions", "mlflow.store.artifact.artifact_repository_registry",
    "mlflow.store.artifact.local_artifact_repo", "mlflow.store.artifact.mlflow_artifacts_repo",
)  # fmt: skip


class Preload:
    """One loading beside a run, from `begin` to `stop`; `wait` is for whoever wants to see it through."""

    def __init__(self, target: Target, job: Mapping[str, object]) -> None:
        self._target = target
        self._job = job
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="preload", daemon=True)

    def begin(self) -> None:
        """Starts it; nothing waits for it."""
        self._thread.start()

    def stop(self) -> None:
        """The run has ended: what is needed now is loaded when it is needed."""
        self._is_over.set()

    def load(self) -> None:
        """Loads everything now. What is not installed here is left out, for it is not needed then."""
        for name in modules(self._target, self._job):
            if self._is_over.is_set():
                return
            _load(name)
        for url in _urls(self._job):
            _load_driver(url)

    def _run(self) -> None:
        for name in _AT_ONCE:
            _load(name)
        if self._is_over.wait(_HEAD_START_SECONDS):
            return
        if sys.platform.startswith("linux"):  # there, threads have priorities of their own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        self.load()


def load_while_waiting() -> None:
    """Loads what a process that only waits for runs will need to tell how they ended; once, and nothing waits for it."""
    if not _is_waiting.is_set():
        _is_waiting.set()
        threading.Thread(target=_load_for_telling, name="preload", daemon=True).start()


def _load_for_telling() -> None:
    time.sleep(_HEAD_START_SECONDS)
    for name in (*_below(_FINISHING), *_ENDING):
        _load(name)


def modules(target: Target, job: Mapping[str, Any]) -> list[str]:
    """The modules that the rest of a job's run may need, in the order of their need."""
    found = [*_below(_FINISHING), *_ENDING, *_LIBRARIES, *target.libraries]
    parts = [name for package in _packages_of(type(target)) for name in _within(package)]
    found += [name for name in parts if name.rpartition(".")[2] not in _OF_PROGRAMS]
    if (job.get("compute") or {}).get("trackingUri"):
        found += [*_below(("tracking",)), *_TRACKING]
    if int((job.get("retries") or {}).get("maxAttempts") or 1) > 1 or job.get("outputs"):
        found += [*_below(_AGAIN), *_LIBRARIES_AGAIN]
    return list(dict.fromkeys(found))


def _packages_of(target: type[Target]) -> list[str]:
    """The target's own package, and those of what it is made of."""
    packages = dict.fromkeys(each.__module__.rpartition(".")[0] for each in target.__mro__)
    return [name for at, name in enumerate(packages) if at == 0 or name.startswith(f"{_OURS}.targets.")]


def _below(layers: tuple[str, ...]) -> Iterator[str]:
    for layer in layers:
        yield from _within(f"{_OURS}.{layer}")


def _within(package: str) -> list[str]:
    import pkgutil  # loads `inspect`, for which no rank waits

    folders = import_module(package).__path__ if package.startswith(_OURS) else ()
    names = [found.name for found in pkgutil.iter_modules(folders) if found.name not in _TOOLS]
    return [f"{package}.{name}" for name in names]


def _load(name: str) -> None:
    try:
        import_module(name)
    except _TROUBLES:  # an extra that is not installed, or not whole: whoever needs it says so
        log.debug("%s is not loaded ahead", name, exc_info=True)


def _urls(job: Mapping[str, Any]) -> list[str]:
    return [str(output.get("uri") or "") for output in (job.get("outputs") or {}).values()]


def _load_driver(url: str) -> None:
    """Loads what speaks to a store, down to what its client reads when it is made."""
    if "://" not in url or scheme_of(url) in ("file", "host", "volume"):
        return
    try:
        from ..data.references import exists

        exists(url)
    except (TrainingError, *_TROUBLES):
        log.debug("what opens an output is not loaded ahead", exc_info=True)


_TROUBLES = (ImportError, OSError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What other packages raise while they are loaded."""
_is_waiting = threading.Event()
