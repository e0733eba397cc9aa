"""Whose run a name means: the project and the stack of the folder that a command is given in, as `pulumi` finds them.

The project is that of the nearest Pulumi.yaml upwards; the stack is the current one: PULUMI_STACK, else the one that was
selected for this project and this backend (`$PULUMI_HOME/workspaces`; pulumi/pkg/workspace and pkg/backend/state, 3.259;
older versions kept one for all backends).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..record import backend as backends
from ..record.backend import Backend, project_file, read_project
from ..record.claims import claim_of
from ..record.documents import AttemptDocument, RunDocument
from ..record.record import Record
from ..record.store import Store
from ..spec.errors import TrainingError
from ..spec.names import distinct


@dataclass(frozen=True)
class Owner:
    """The project and the stack that a run belongs to. Runs that a notebook submits have a stack each, which is not told."""

    project: str
    stack: str = ""

    def __str__(self) -> str:
        if not self.project:
            return "no project"
        return f"project {self.project}" + (f", stack {self.stack}" if self.stack else "")


@dataclass(frozen=True)
class Here:
    """A folder as `pulumi` sees it. Without a Pulumi.yaml there is no project, and its runs are those in its own stores.

    `folder` is that of the Pulumi.yaml, else the working directory; `stack` is empty where none is selected.
    `has_named_store` says that a person named the store to look in.
    """

    folder: Path
    project_file: Path | None = None
    project: str = ""
    stack: str = ""
    backend: Backend | None = None
    has_named_store: bool = False

    @property
    def owner(self) -> Owner:
        """This folder's project and stack."""
        return Owner(self.project, self.stack)

    def owns(self, record: Record, run: RunDocument, attempt: AttemptDocument | None = None) -> bool:
        """Whether a run is of this folder's project and stack. `attempt` is its newest, where it was read already."""
        owner = owner_of(run)
        is_of_stack = not self.stack or owner.stack in ("", self.stack)
        return is_of_stack and self.has(record, run, attempt)

    def has(self, record: Record, run: RunDocument, attempt: AttemptDocument | None = None) -> bool:
        """Whether a run is of this folder's project, whatever its stack."""
        if is_of_notebook(run):
            return self.has_named_store or self.has_store(record.store)
        if not self.project:
            return self.has_named_store or self.has_store(record.store)
        project = owner_of(run).project
        if project and project != self.project:
            return False
        return self.has_store(record.store) or (bool(project) and self._has_backend_of(record, run, attempt))

    def may_own(self, owner: Owner) -> bool:
        """As `owns`, by the names alone."""
        return owner.project == self.project and (not self.stack or owner.stack == self.stack)

    def has_store(self, store: Store) -> bool:
        """Whether a store is a folder in this one, and in no other project's below it."""
        path = store.local_path("")
        if path is None:
            return False
        folder = path.resolve()
        if not folder.is_relative_to(self.folder.resolve()):
            return False
        nearest = project_file(folder)
        mine = self.project_file
        return nearest == mine or (nearest is not None and mine is not None and nearest.samefile(mine))

    def _has_backend_of(self, record: Record, run: RunDocument, attempt: AttemptDocument | None) -> bool:
        """Whether this folder's backend has it, as far as anybody can tell."""
        if self.backend is None:
            return True
        try:
            newest = attempt or record.newest_document(run) or run.last_attempt()
            began = newest.backend if newest is not None else ""
            return began in ("", self.backend.digest) or claim_of(record, self.backend.digest) is not None
        except TrainingError:
            return False


def here(*, has_named_store: bool = False) -> Here:
    """The working directory's project and stack."""
    folder = Path.cwd()
    file = project_file(folder)
    name = read_project(file).get("name") if file is not None else None
    if file is None or not isinstance(name, str) or not name:
        return Here(folder, file, has_named_store=has_named_store)
    backend = backends.current(folder)
    project, stack = _current_stack(file, name, backend, os.environ)
    return Here(file.parent, file, project, stack, backend, has_named_store)


def owner_of(run: RunDocument) -> Owner:
    """Whose run it is; a notebook's has its experiment's project. A repetition has none."""
    project = str(run.owner.get("project") or "")
    return Owner(project, "" if is_of_notebook(run) else str(run.owner.get("stack") or ""))


def is_of_notebook(run: RunDocument) -> bool:
    """Whether an experiment submitted it: each such run has a stack of its own in the experiment's project."""
    experiment = run.spec.get("experimentName")
    if not isinstance(experiment, str) or not experiment:
        return False
    stack = str(run.owner.get("stack") or "")
    return run.owner.get("project") == distinct(experiment) and stack.rpartition("-")[0] == run.name


def _current_stack(
    file: Path, project: str, backend: Backend | None, environ: Mapping[str, str]
) -> tuple[str, str]:
    """The project and the name of the current stack; a stack may be written `organization/project/name`."""
    written = environ.get("PULUMI_STACK")
    if written is None:
        written = _selected(file, project, backend, environ)
    parts = written.split("/")
    return (parts[1] if len(parts) == 3 and parts[1] else project), parts[-1]


def _selected(file: Path, project: str, backend: Backend | None, environ: Mapping[str, str]) -> str:
    """The stack that was selected in this project for this backend; empty where none was."""
    home = Path(environ.get("PULUMI_HOME") or Path.home() / ".pulumi").expanduser()
    for path in _spellings(file, environ):
        digest = hashlib.sha1(str(path).encode(), usedforsecurity=False).hexdigest()
        try:
            settings: Any = json.loads(
                (home / "workspaces" / f"{project}-{digest}-workspace.json").read_bytes()
            )
        except (OSError, ValueError):
            continue
        if isinstance(settings, dict):
            return _of_backend(settings, backend)
    return ""


def _of_backend(settings: Mapping[str, object], backend: Backend | None) -> str:
    by_backend = settings.get("stacks")
    for url, stack in (by_backend if isinstance(by_backend, dict) else {}).items():
        if backend is None or backends.backend_at(str(url), Path.cwd()) == backend:
            return str(stack)
    return str(settings.get("stack") or "")


def _spellings(file: Path, environ: Mapping[str, str]) -> list[Path]:
    """The file's path as a shell wrote it, links and all, which is what `pulumi` goes by; then as it is."""
    written = Path(environ.get("PWD") or ".")
    found = []
    try:
        if written.is_absolute() and written.samefile(Path.cwd()):
            found = [path for path in (project_file(written),) if path is not None]
    except OSError:
        pass  # PWD is of another process
    return [*found, file]
