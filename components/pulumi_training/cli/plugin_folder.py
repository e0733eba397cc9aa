"""This provider in the engine's plugin folder, and every place where the engine would find one.

The engine looks, in this order, at the `plugins` and `packages` of Pulumi.yaml, at PATH, and at
`$PULUMI_HOME/plugins/resource-training-v<version>/` (sdk/go/common/workspace/plugins.go of pulumi 3.259). An
executable there is started as it is; a `.partial` file beside the folder hides it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..record.backend import project_file, read_project
from ..spec.errors import TrainingError
from ..version import __version__

NAME = "pulumi-resource-training"
MARK = "# pulumi-training: the provider in the plugin folder"
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv.pop(1)); from pulumi_training.provider.main import main; main()"
)


@dataclass(frozen=True)
class Installed:
    """What an installation did: `changed` is False where everything was there already."""

    folder: Path
    changed: bool
    python: Path


@dataclass(frozen=True)
class Place:
    """A provider that the engine finds: `kind` is path, PATH or folder; `version` None where it is not said."""

    kind: str
    path: Path
    version: str | None = None
    is_ours: bool = True


def home() -> Path:
    """Pulumi's home folder: PULUMI_HOME, else ~/.pulumi."""
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi").expanduser().absolute()


def folder_of(version: str = __version__) -> Path:
    """The folder where the engine looks for that version."""
    return home() / "plugins" / f"resource-training-v{version}"


def install(python: Path | None = None) -> Installed:
    """Puts an executable that runs this interpreter's provider into the plugin folder, whole or not at all.

    Raises `TrainingError` where the folder cannot be written, or holds a plugin that is not ours.
    """
    chosen = Path(python or sys.executable).absolute()  # not resolved: a virtual environment's link counts
    folder, script = folder_of(), _script(chosen)
    program = folder / NAME
    if not folder.with_name(f"{folder.name}.partial").exists() and _is_current(program, script):
        return Installed(folder, False, chosen)
    if folder.exists() and not _is_ours(program):
        raise TrainingError(f"{folder} holds a plugin that was put there otherwise; remove it first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".training-", dir=folder.parent))
        try:
            draft.chmod(0o755)
            (draft / NAME).write_text(script, encoding="utf-8")
            (draft / NAME).chmod(0o755)
            if folder.exists():
                (draft / NAME).replace(program)  # the folder stays: an engine may be looking at it
            else:
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        folder.with_name(f"{folder.name}.partial").unlink(missing_ok=True)
    except OSError as error:
        raise TrainingError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}; PULUMI_HOME names another folder"
        ) from error
    return Installed(folder, True, chosen)


def uninstall() -> list[Path]:
    """Removes every version that `install` put there; returns the folders. Raises `TrainingError`."""
    removed = []
    for place in in_folder():
        if not place.is_ours:
            continue
        folder = place.path.parent
        try:
            shutil.rmtree(folder)
            for suffix in (".partial", ".lock", ".lastused"):
                folder.with_name(folder.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise TrainingError(f"{folder} cannot be removed: {error.strerror or error}") from error
        removed.append(folder)
    return removed


def find(start: Path | None = None) -> list[Place]:
    """Where the engine finds this provider, the place it takes first, for a project at or above `start`."""
    return [*in_project(start or Path.cwd()), *on_path(), *in_folder()]


def in_project(start: Path) -> list[Place]:
    """The providers that the nearest Pulumi.yaml names by path."""
    project = project_file(start)
    if project is None:
        return []
    document = read_project(project)
    plugins = document.get("plugins")
    providers = plugins.get("providers") if isinstance(plugins, dict) else None
    found = [
        str(entry["path"])
        for entry in (providers if isinstance(providers, list) else [])
        if isinstance(entry, dict) and entry.get("name") == "training" and entry.get("path")
    ]
    packages = document.get("packages")
    package = packages.get("training") if isinstance(packages, dict) else None
    source = package.get("source") if isinstance(package, dict) else package
    if isinstance(source, str) and source.startswith((".", "/", "~")):
        found.append(source)
    places = ((project.parent / Path(path).expanduser()).resolve() for path in found)
    return [Place("path", path) for path in places if path.exists()]


def on_path() -> list[Place]:
    """The provider on PATH."""
    if os.environ.get("PULUMI_IGNORE_AMBIENT_PLUGINS"):
        return []
    found = shutil.which(NAME)
    return [Place("PATH", Path(found))] if found else []


def in_folder() -> list[Place]:
    """The providers in the plugin folder, the newest version first."""
    found = []
    for folder in (home() / "plugins").glob("resource-training-v*"):
        if not folder.is_dir() or folder.with_name(f"{folder.name}.partial").exists():
            continue
        program = folder / NAME
        if program.is_file():
            version = folder.name.removeprefix("resource-training-v")
            found.append(Place("folder", program, version, _is_ours(program)))
    return sorted(found, key=lambda place: _order(place.version or ""), reverse=True)


def _script(python: Path) -> str:
    words = [str(python), "-I", "-c", _BOOTSTRAP, str(_PACKAGE_ROOT)]
    return f'#!/bin/sh\n{MARK}\nexec {shlex.join(words)} "$@"\n'


def _is_current(program: Path, script: str) -> bool:
    try:
        return program.read_text(encoding="utf-8") == script and os.access(program, os.X_OK)
    except (OSError, UnicodeDecodeError):
        return False


def _is_ours(program: Path) -> bool:
    try:
        with program.open("rb") as stream:
            return MARK.encode() in stream.read(400)
    except FileNotFoundError:
        return True  # an empty folder of an interrupted installation
    except OSError:
        return False


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.replace("-", ".").split("."))
