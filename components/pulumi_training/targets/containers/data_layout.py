"""How inputs and outputs meet containers: what is mounted at the backend, and what is copied in and out.

A volume (`volume://name/folder`) and a folder of the machine that runs containers (`host:///folder`, by explicit wish)
are mounted. Everything else is on this side of the backend and is copied into each node; what a script writes for it is
copied out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ...spec.data import DataMode, InputSpec, OutputSpec
from ...spec.errors import PermanentError, Problem, SpecError, TrainingError
from ...spec.outcome import Reason
from ...spec.urls import on_compute
from ..contract.run import RunSpec
from .node_layout import CODE, DATA, MOUNTS

_HIDDEN = ".training/outputs"


@dataclass(frozen=True)
class Mount:
    """Something at the backend that is mounted into every node: `kind` is `volume` or `host`."""

    kind: str
    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class Layout:
    """Where each datum is inside a node (`paths`), and how it gets there.

    `mounts` are the backend's to make; `links` are symlinks inside the code's folder, path to target; `folders` are
    made empty; `copied` are the inputs that must be brought.
    """

    paths: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()


def layout(inputs: Mapping[str, InputSpec], outputs: Mapping[str, OutputSpec]) -> Layout:
    """Where everything goes. Pure.

    Raises:
        SpecError: a place outside of the script's folder, or a way that does not fit.
    """
    paths: dict[str, str] = {}
    mounts: list[Mount] = []
    links: dict[str, str] = {}
    folders: list[str] = []
    copied: list[str] = []
    for name, spec in inputs.items():
        inside = _inside(spec.path_on_compute, f"inputs.{name}.pathOnCompute")
        if on_compute(spec.uri) is None:
            paths[name] = inside or f"{DATA}/{name}"
            copied.append(name)
            continue
        if spec.mode is DataMode.DOWNLOAD:
            raise SpecError(
                Problem(
                    f"inputs.{name}.mode",
                    f"{spec.uri} is where containers run already and is mounted; write mount (as_mount())",
                )
            )
        mount, place = _mount(name, spec.uri, f"inputs.{name}.uri", read_only=True)
        mounts.append(mount)
        if inside:
            links[inside] = place
        paths[name] = inside or place
    for name, out in outputs.items():
        inside = _inside(out.path_on_compute, f"outputs.{name}.pathOnCompute")
        if on_compute(out.uri) is None:
            paths[name] = inside or f"{CODE}/{_HIDDEN}/{name}"
            folders.append(paths[name])
            continue
        mount, place = _mount(name, out.uri, f"outputs.{name}.uri", read_only=False)
        mounts.append(mount)
        if inside:
            links[inside] = place
        paths[name] = inside or place
    return Layout(paths, tuple(mounts), links, tuple(folders), tuple(copied))


def fetch_inputs(run: RunSpec, tell: Callable[[str], None]) -> dict[str, str]:
    """The local path of every input that is copied into nodes, after it was brought to this machine.

    A folder is taken where it is; an object store's data comes to the user's cache, once for each content.

    Raises:
        PermanentError: with DataUnavailable, naming the input.
    """
    from ...data.mount import cached_copy
    from ...data.references import require

    found: dict[str, str] = {}
    for name in layout(run.job.inputs, run.job.outputs).copied:
        try:
            place = require(run.job.inputs[name].uri, base=run.base, path=f"inputs.{name}.uri")
            found[name] = str(place.local if place.local is not None else cached_copy(place, _calm(tell)))
        except PermanentError as error:
            raise PermanentError(error.reason, f"inputs.{name}: {error}") from error
        except (TrainingError, OSError) as error:
            raise PermanentError(Reason.DATA_UNAVAILABLE, f"inputs.{name}: {error}") from error
    return found


def _calm(tell: Callable[[str], None]) -> Callable[[str], None]:
    """A copy is what everybody expects of a container: that it is one is no warning here."""

    def show(line: str) -> None:
        if not line.startswith("warning: "):
            tell(line)

    return show


def _mount(name: str, uri: str, path: str, *, read_only: bool) -> tuple[Mount, str]:
    found = on_compute(uri)
    assert found is not None
    kind, source, below = found
    if not source:
        raise SpecError(Problem(path, f"{uri} names nothing; write volume://name or host:///folder"))
    target = f"{MOUNTS}/{name}"
    return Mount(kind, source, target, read_only), f"{target}/{below}" if below else target


def _inside(path_on_compute: str | None, path: str) -> str | None:
    if not path_on_compute:
        return None
    words = PurePosixPath(path_on_compute)
    if words.is_absolute() or ".." in words.parts or str(words) == ".":
        raise SpecError(
            Problem(path, f"{path_on_compute} is not inside the script's folder; write a relative path")
        )
    return f"{CODE}/{words}"
