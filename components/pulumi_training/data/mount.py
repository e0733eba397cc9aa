"""Puts data where a run of this machine finds it, and delivers what the run wrote."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ..spec.data import DataMode, InputSpec, OutputSpec
from ..spec.errors import PermanentError, Problem, SpecError, TrainingError
from ..spec.outcome import Reason
from .references import Place, require, resolve
from .temporaries import sweep
from .transfer import Progress, Transferred, download, upload

HIDDEN = ".training"
"""The folder of a run's copy of the source for data that was given no place of its own."""


def mount(
    uri: str | Place, destination: Path, progress: Progress | None = None, *, base: Path | None = None
) -> Path:
    """Makes the data at `uri` appear at `destination`: a link to a folder, as it is, to read and to write.

    An object store cannot be mounted on this machine: it is downloaded once per content into the user's
    cache, read-only, and linked; a warning line says so. Raises `SpecError` for missing data or a `destination` that
    is taken, `PermanentError(DATA_UNAVAILABLE)`.
    """
    place = require(uri, base=base)
    source = place.local if place.local is not None else cached_copy(place, progress)
    _link(source, destination)
    return destination


def cached_copy(place: Place, progress: Progress | None = None) -> Path:
    """A read-only copy of an object store's data in the user's cache, one per content, made once."""
    from filelock import FileLock

    from ..identity.caches import cache_folder
    from .fingerprint import fingerprint

    if progress:
        progress(
            f"warning: {place} is used as a copy on this machine; what the script writes there stays here"
        )
    mark = fingerprint(place).removeprefix("v1:")[:24]
    folder = cache_folder("data") / f"{hashlib.sha256(place.url.encode()).hexdigest()[:12]}-{mark}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    content, complete = folder / "content", folder / "complete"
    with FileLock(f"{folder}.lock"):
        if not complete.exists():
            folder.mkdir(exist_ok=True)
            download(place, content, progress)
            sweep([folder, content, *(path for path in content.rglob("*") if path.is_dir())], seconds=0.0)
            for path in [content] if content.is_file() else content.rglob("*"):
                if path.is_file():
                    path.chmod(0o444)
            complete.touch()
    return content


def materialise(
    inputs: Mapping[str, InputSpec],
    code_folder: Path,
    progress: Callable[[str], None],
    *,
    base: Path | None = None,
) -> dict[str, str]:
    """The local path of each input, after it was mounted or downloaded; doing it twice does it once.

    `path_on_compute` is a place inside `code_folder`. Without it a mounted folder is its own path, and other
    data goes to `.training/data/<name>`. Raises `PermanentError(DATA_UNAVAILABLE)` naming the input.
    """
    paths: dict[str, str] = {}
    for name, spec in inputs.items():
        try:
            paths[name] = str(_materialise(name, spec, code_folder, progress, base))
        except PermanentError as error:
            raise PermanentError(error.reason, f"inputs.{name}: {error}") from error
        except TrainingError as error:
            raise PermanentError(Reason.DATA_UNAVAILABLE, f"inputs.{name}: {error}") from error
        except OSError as error:
            raise PermanentError(Reason.DATA_UNAVAILABLE, f"inputs.{name}: {error}") from error
    return paths


def place_outputs(
    outputs: Mapping[str, OutputSpec],
    code_folder: Path,
    progress: Callable[[str], None],
    *,
    base: Path | None = None,
) -> dict[str, str]:
    """The folder that the script writes for each output, made; a mounted one is a link to where it goes.

    An object store cannot be mounted on this machine; it is delivered to at the end, and a line says so.
    """
    paths: dict[str, str] = {}
    for name, spec in outputs.items():
        place = resolve(spec.uri, base=base, path=f"outputs.{name}.uri")
        folder = _inside(code_folder, spec.path_on_compute, f"outputs.{name}.pathOnCompute")
        if spec.mode is DataMode.MOUNT and place.local is not None:
            place.local.mkdir(parents=True, exist_ok=True)
            if folder:
                _link(place.local, folder)
            paths[name] = str(folder or place.local)
            continue
        if spec.mode is DataMode.MOUNT:
            progress(f"warning: {place} cannot be mounted on this machine; it is delivered to after the run")
        folder = folder or code_folder / HIDDEN / "outputs" / name
        folder.mkdir(parents=True, exist_ok=True)
        paths[name] = str(folder)
    return paths


def deliver(
    outputs: Mapping[str, OutputSpec],
    code_folder: Path,
    progress: Callable[[str], None],
    *,
    base: Path | None = None,
) -> dict[str, Transferred]:
    """Uploads what the script wrote for each output that is not mounted; goes on where it stopped.

    Raises `PermanentError(COLLECT_FAILED)` naming the output; the data stays in `code_folder`.
    """
    done: dict[str, Transferred] = {}
    for name, folder in delivered(outputs, code_folder, base=base).items():
        place = resolve(outputs[name].uri, base=base, path=f"outputs.{name}.uri")
        if not folder.exists():
            raise PermanentError(Reason.COLLECT_FAILED, f"outputs.{name}: the script removed {folder}")
        try:
            done[name] = upload(folder, place, progress)
        except TrainingError as error:
            raise PermanentError(Reason.COLLECT_FAILED, f"outputs.{name}: {error}") from error
    return done


def delivered(
    outputs: Mapping[str, OutputSpec], code_folder: Path, *, base: Path | None = None
) -> dict[str, Path]:
    """Where the script writes each output that is not mounted."""
    found: dict[str, Path] = {}
    for name, spec in outputs.items():
        place = resolve(spec.uri, base=base, path=f"outputs.{name}.uri")
        if spec.mode is DataMode.MOUNT and place.local is not None:
            continue
        folder = _inside(code_folder, spec.path_on_compute, f"outputs.{name}.pathOnCompute")
        found[name] = folder or code_folder / HIDDEN / "outputs" / name
    return found


def _materialise(
    name: str, spec: InputSpec, code_folder: Path, progress: Progress, base: Path | None
) -> Path:
    place = require(spec.uri, base=base, path=f"inputs.{name}.uri")
    wanted = _inside(code_folder, spec.path_on_compute, f"inputs.{name}.pathOnCompute")
    if spec.mode is DataMode.UPLOAD:
        raise SpecError(Problem(f"inputs.{name}.mode", "upload is for outputs; write mount or download"))
    if spec.mode is DataMode.MOUNT:
        if wanted is None and place.local is not None:
            return place.local
        return mount(place, wanted or code_folder / HIDDEN / "data" / name, progress)
    destination = wanted or code_folder / HIDDEN / "data" / name
    download(place, destination, progress)
    return destination


def _inside(code_folder: Path, path_on_compute: str | None, path: str) -> Path | None:
    if not path_on_compute:
        return None
    target = Path(os.path.normpath(code_folder / path_on_compute))
    if target == code_folder or code_folder not in target.parents:
        raise SpecError(
            Problem(path, f"{path_on_compute} is not inside the script's folder; write a relative path")
        )
    return target


def _link(source: Path, destination: Path) -> None:
    if destination.is_symlink() and Path(os.readlink(destination)) == source:
        return
    if destination.is_symlink():
        destination.unlink()
    elif destination.is_dir() and not any(destination.iterdir()):
        destination.rmdir()
    elif destination.exists():
        raise SpecError(
            Problem(
                "inputs", f"{destination.name} is in the source tree already; choose another pathOnCompute"
            )
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.symlink_to(source, target_is_directory=source.is_dir())
