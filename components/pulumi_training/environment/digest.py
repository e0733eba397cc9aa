"""What makes two environments the same: the digest they are cached by."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec.fields import Identity, identity_of
from . import conda_file, mpi, requirements

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec

_ELSEWHERE = frozenset(
    (
        "image",
        "dockerfile",
        "build_context",
        "build_arguments",
        "platform",  # for targets that run containers
        "pip_requirements_file",
        "conda_dependencies_file",  # their content counts, not their names
        "pip_packages",
        "python_version",  # put in below, in a normal form
        "user_managed",
        "interpreter",
    )
)
_SKIPPED_FOLDERS = frozenset((".git", "__pycache__", ".venv", "build", "dist", ".mypy_cache", ".ruff_cache"))


class Request:
    """All that an environment is built from, read once: the pip lines, the conda file, what MPI adds.

    Raises:
        SpecError: a file is missing or cannot be read.
    """

    def __init__(self, spec: EnvironmentSpec, source: Path, *, needs_mpi: bool, needs_mpi4py: bool) -> None:
        self.spec = spec
        self.source = source
        self.needs_mpi = needs_mpi
        self.conda = conda_file.read(spec, source)
        self.pip = requirements.read(spec, source, more=self.conda.pip if self.conda else ())
        named = self.pip.names | (self.conda.names if self.conda else frozenset())
        self.additions: tuple[str, ...] = tuple(
            line
            for line, is_needed in (
                (mpi.WHEEL, needs_mpi and not named & mpi.PACKAGES),
                (mpi.BINDINGS, needs_mpi4py and mpi.BINDINGS not in named),
            )
            if is_needed
        )
        self.python_version = spec.python_version or (self.conda.python_version if self.conda else None)
        self.digest = self._digest()

    def _digest(self) -> str:
        content: dict[str, Any] = {
            "version": 1,
            "fields": key_fields(self.spec, _ELSEWHERE),
            "python": self.python_version or running_python(),
            "platform": sysconfig.get_platform(),
            "pip": sorted(set(self.spec.pip_packages)),
            "files": self.pip.texts,
            "projects": {str(i): content_of(path) for i, path in enumerate(self.pip.projects)},
            "additions": self.additions,
        }
        if self.conda:
            content["conda_file"] = self.conda.text
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def running_python() -> str:
    """The version of the Python that runs the plugin, without its patch: those are upgraded in place."""
    return f"{sys.implementation.name}-{sys.version_info[0]}.{sys.version_info[1]}"


def key_fields(spec: EnvironmentSpec, without: Collection[str]) -> dict[str, Any]:
    """The fields that decide what is installed, but for those of `without`, whose content is digested elsewhere."""
    model = type(spec)
    found = {}
    for name in model.model_fields:
        if name in without or identity_of(model, name) is not Identity.KEY:
            continue
        value = getattr(spec, name)
        if value not in (None, [], {}, "", False):  # a new field with a default rebuilds nothing
            found[name] = getattr(value, "value", value)
    return found


def content_of(path: Path) -> str:
    """The digest of a file, or of a folder's files by path and content; what builds leave in it is left out."""
    total = hashlib.sha256()
    for relative, file in _files(path):
        total.update(f"{relative}\0{file.stat().st_size}\0".encode("utf-8", "surrogatepass"))
        total.update(file.read_bytes())
    return total.hexdigest()


def _files(path: Path) -> Iterable[tuple[str, Path]]:
    if path.is_file():
        return [(path.name, path)]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED_FOLDERS and not f.endswith(".egg-info"))
        found += [(str((Path(folder) / n).relative_to(path)), Path(folder) / n) for n in sorted(names)]
    return found
