"""The stacks of a backend, as Pulumi's command line tells them: which runs their states have, and which are busy."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..record import backend as backends
from ..record.backend import Backend
from ..record.stack_files import StackLock, holdings, locks, states
from ..spec.errors import TrainingError
from .submission_engine import experiments_folder, find_pulumi

_SECONDS = 120
_TRIES = 3
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Place:
    """A backend, and what `pulumi` needs in its environment to talk to it; empty for the one it is logged in to."""

    backend: Backend
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Stacks:
    """What all stacks of a backend have; a stack is known by project and name, and may have no project.

    `pending` names, by URN, the stack whose state was told of a creation and of no end of it. `busy` says who works on
    a stack: file backends and Pulumi's service can be asked for that, of a stack in a bucket nothing is known.
    """

    runs: frozenset[str]
    pending: Mapping[str, str]
    busy: Mapping[tuple[str, str], str]
    names: frozenset[tuple[str, str]]

    def worker(self, project: str, stack: str) -> str | None:
        """Who works on a stack, None where nobody does; older file backends know no projects."""
        return self.busy.get((project, stack)) or self.busy.get(("", stack))

    def has(self, project: str, stack: str) -> bool:
        """Whether there is such a stack, as far as this person may see."""
        return not self.names.isdisjoint({(project, stack), ("", stack)})


def here() -> Place | None:
    """The backend that a `pulumi` started in this folder talks to; None where it cannot be told.

    Raises:
        TrainingError: pulumi is not there.
    """
    found = backends.current()
    if found is None:  # its login is encrypted, or it is some other way in: it is asked itself
        try:
            url = str(_pulumi("whoami", "--verbose", "--json").get("url") or "")
        except Refused:
            return None
        found = backends.backend_at(url, Path.cwd())
    return Place(found) if found else None


def experiments() -> Place | None:
    """The backend of this user's own that experiments are submitted to; None before the first submission."""
    folder = experiments_folder() / "state"
    if not folder.is_dir():
        return None
    variables = {"PULUMI_BACKEND_URL": folder.as_uri()}
    found = backends.backend_at(variables["PULUMI_BACKEND_URL"], folder)
    return Place(found, variables) if found else None


class Refused(TrainingError):
    """Pulumi did not answer what it was asked."""


def stacks(place: Place) -> Stacks:
    """What all stacks of a backend have; secrets in their states stay encrypted.

    Raises:
        TrainingError: pulumi is not there, or a state cannot be read: without it nobody can tell whose a run is.
    """
    for left in reversed(range(_TRIES)):
        try:
            return _stacks(place)
        except Refused:
            if not left:
                _name_damaged(place)
                raise
            time.sleep(_PAUSE_SECONDS)  # a stack may have come, gone or been written between two questions
    raise AssertionError("unreachable")


def _stacks(place: Place) -> Stacks:
    # Who works on a stack is looked at first: what is written into a state meanwhile is in it afterwards.
    folder = place.backend.folder
    alive = [lock for lock in locks(folder) if lock.is_alive] if folder is not None else []
    busy = {(_project(lock), lock.stack): _holder(lock) for lock in alive}
    runs: set[str] = set()
    pending: dict[str, str] = {}
    names: set[tuple[str, str]] = set()
    for stack in _pulumi("stack", "ls", "--all", "--json", variables=place.variables):
        name = str(stack["name"])
        parts = ("", *name.split("/"))[-2:]
        names.add((parts[0], parts[1]))
        if stack.get("updateInProgress"):
            busy[parts[0], parts[1]] = "an update in progress"
        state = _pulumi("stack", "export", "--stack", name, variables=place.variables)
        found = holdings(state.get("deployment"))
        runs |= found.runs
        pending |= dict.fromkeys(found.pending, name)
    return Stacks(frozenset(runs), pending, busy, frozenset(names))


def _name_damaged(place: Place) -> None:
    """Raises `TrainingError` with the name of the file, where it is one that Pulumi cannot read either."""
    if place.backend.folder is not None:
        for _ in states(place.backend.folder):
            pass


def _project(lock: StackLock) -> str:
    return lock.project


def _holder(lock: StackLock) -> str:
    return f"process {lock.pid} on {lock.host}" if lock.pid else f"a lock that cannot be read, {lock.path}"


def _pulumi(*arguments: str, variables: Mapping[str, str] | None = None) -> Any:
    try:
        binary = find_pulumi()
    except TrainingError as error:
        raise TrainingError(
            "pulumi is not on PATH, and only its stacks can tell what an orphan is; "
            'in a checkout, run: eval "$(tools/pulumi env)"'
        ) from error
    words = f"`pulumi {' '.join(arguments)}`"
    try:
        done = subprocess.run(
            [str(binary), *arguments, "--non-interactive"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS,
            env={**os.environ, **(variables or {})},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Refused(f"{words} did not answer within {_SECONDS} s") from error
    if done.returncode != 0:
        raise Refused(f"{words} failed: {done.stderr.strip() or done.stdout.strip()}")
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise Refused(f"{words} answered what is no JSON") from error
