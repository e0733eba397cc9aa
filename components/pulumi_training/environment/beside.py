"""The files that decide an environment and are not in the run's copy of the source tree.

A requirements file by absolute path, `../req.txt`, `~/req.txt`, what it includes, one that an ignore file leaves
out, a local project, a Dockerfile or a build context elsewhere. The digest of the tree does not know them, so they
count by content (`contents`); and the run must find what was counted (`keep`, `environment_of`).

What is text is copied into the attempt, in a `mirror` of this machine's folders: relative names lead inside it where
they led outside, so that an edit after the run was asked for reaches neither the run nor its retries. Projects and
build contexts may be large and stay where they are; a run whose content is no longer what was counted is refused.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec.errors import PermanentError
from ..spec.outcome import Reason
from . import conda_file, mirror, requirements
from .digest import content_of
from .mirror import FOLDER

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec


@dataclass(frozen=True)
class _Used:
    """One file or folder that an environment is made of.

    `place` names it as the declaration does, seen from the source directory, so that another checkout has the
    same; `path` is where it was found, before links are followed. Texts are copied, the others are not. Folders of
    wheels are not counted: they are one more index, and an index is no part of the key.
    """

    place: str
    path: Path
    content: Callable[[], str]
    is_text: bool = False
    is_counted: bool = True

    def is_in(self, root: Path, tree: Collection[str]) -> bool:
        """Whether the run's copy of the tree has it, at the very place."""
        real = self.path.resolve()
        if not real.is_relative_to(root):
            return False
        inner = real.relative_to(root).as_posix()
        return inner == "." or inner in tree or any(path.startswith(f"{inner}/") for path in tree)

    @property
    def is_elsewhere_in_the_copy(self) -> bool:
        """Whether the declaration would not find it in a copy of the tree, though it is there.

        A link is a file in the copy, and what its text includes is no longer beside it.
        """
        outward = os.path.normpath(self.place).startswith(("..", "/", "~"))
        return outward or (self.is_text and self.path.resolve() != self.path)


def names_files(spec: EnvironmentSpec | None) -> bool:
    """Whether anything of a declaration may lead to a file; most lead to none, and cost no look."""
    return spec is not None and bool(
        spec.pip_requirements_file
        or spec.conda_dependencies_file
        or spec.dockerfile
        or (spec.ca_bundle and spec.ca_bundle_in_image)
        or _has_channels_outside(spec)
        or any(requirements.is_place(line) for line in spec.pip_packages)
    )


def contents(spec: EnvironmentSpec, root: Path, tree: Collection[str]) -> dict[str, str]:
    """place -> `sha256:<hex>` of each file and folder that is not in the tree; `root` is real, `tree` its paths.

    Raises:
        SpecError: a file that is named is missing or cannot be read.
    """
    used = _used(spec, root)
    return {each.place: each.content() for each in used if each.is_counted and not each.is_in(root, tree)}


def keep(spec: EnvironmentSpec, root: Path, tree: Collection[str], folder: Path) -> dict[str, str]:
    """Copies into the attempt's folder what the run's copy of the tree does not have at its place.

    Gives what `contents` would, of what was copied.

    Raises:
        SpecError: as `contents`.
        OSError: it cannot be written.
    """
    used = list(_used(spec, root))
    outside = [each for each in used if not each.is_in(root, tree)]
    place = folder / FOLDER
    shutil.rmtree(place, ignore_errors=True)
    is_led_out = any(each.is_elsewhere_in_the_copy for each in used) or _has_channels_outside(spec)
    if not outside and not is_led_out:
        return {}
    for each in used:
        if each.is_text:
            mirror.copy(place, each.path)
    counted = {each.place: each.content() for each in outside if each.is_counted and not each.is_text}
    mirror.seal(place, root, counted)
    texts = {each.place: _digest(mirror.inside(place, each.path)) for each in outside if each.is_text}
    return texts | counted


def keep_again(before: Path, folder: Path) -> None:
    """Gives an attempt what the attempt before it was made of: it runs in the same environment. Raises OSError."""
    if (before / FOLDER).is_dir() and not (folder / FOLDER).exists():
        shutil.copytree(before / FOLDER, folder / FOLDER, symlinks=True)


def environment_of(spec: EnvironmentSpec, root: Path, folder: Path) -> tuple[EnvironmentSpec, Path]:
    """What to install for an attempt, and the folder that its files are relative to.

    `root` is the job's source directory, read where nothing was copied yet: in a preview.

    Raises:
        PermanentError: a project or build context is not what was counted when the run was asked for.
    """
    code = folder / "code"
    sealed = mirror.sealed(folder / FOLDER)
    if sealed is not None:
        source = mirror.inside(folder / FOLDER, Path(sealed["root"]))
        _refuse_changes(spec, source, sealed["counted"])
        return spec, source
    return (_anchored(spec, code, root), code) if code.is_dir() else (spec, root)


def _has_channels_outside(spec: EnvironmentSpec) -> bool:
    return any(os.path.normpath(name).startswith("..") for name in spec.conda_channels if "://" not in name)


def _refuse_changes(spec: EnvironmentSpec, source: Path, counted: Mapping[str, str]) -> None:
    if not counted:
        return
    now = {each.place: each for each in _used(spec, source) if each.place in counted}
    changed = [
        place for place, digest in counted.items() if place not in now or now[place].content() != digest
    ]
    if changed:
        raise PermanentError(
            Reason.SOURCE_CHANGED,
            f"{', '.join(sorted(changed))} changed after it was checked; `pulumi up` runs with it as it is now",
        )


def _anchored(spec: EnvironmentSpec, code: Path, root: Path) -> EnvironmentSpec:
    """What names a path outside of the copy and is no part of the key, by its place beside the source directory."""

    def anchored(name: str) -> str:
        own, theirs = requirements.located(code, name), requirements.located(root, name)
        is_own = "://" in name or own == theirs or (own.is_relative_to(code) and own.exists())
        return name if is_own or not theirs.exists() else str(theirs)

    changes: dict[str, Any] = {}
    if spec.find_links:
        changes["find_links"] = [anchored(place) for place in spec.find_links]
    if spec.ca_bundle:
        changes["ca_bundle"] = anchored(spec.ca_bundle)
    if spec.interpreter and "/" in spec.interpreter and not (spec.image or spec.dockerfile):
        changes["interpreter"] = anchored(spec.interpreter)
    return spec.model_copy(update=changes) if changes else spec


def _used(spec: EnvironmentSpec, root: Path) -> Iterator[_Used]:
    if spec.pip_requirements_file or spec.conda_dependencies_file or spec.pip_packages:
        conda = conda_file.read(spec, root) if spec.conda_dependencies_file else None
        found = requirements.read(spec, root, more=conda.pip if conda else ())
        if spec.conda_dependencies_file:
            yield _text(
                spec.conda_dependencies_file, requirements.located(root, spec.conda_dependencies_file)
            )
        for place, path in found.files.items():
            yield _text(place, path)
        for place, path in found.places.items():
            yield _Used(place, path, _content_of(path))
        for place, path in found.links.items():
            yield _Used(place, path, _content_of(path), is_counted=False)
    if spec.dockerfile:
        from .build_context import UserContext

        context = UserContext.read(spec, root)
        yield _text(spec.dockerfile, requirements.located(root, spec.dockerfile))
        own = context.dockerfile.with_name(f"{context.dockerfile.name}.dockerignore")
        if own.is_file():
            yield _text(f"{spec.dockerfile}.dockerignore", own)
        if spec.build_context:
            folder = requirements.located(root, spec.build_context)
            yield _Used(spec.build_context, folder, lambda: f"sha256:{context.digest}")
    if spec.ca_bundle and spec.ca_bundle_in_image:
        yield _text(spec.ca_bundle, requirements.located(root, spec.ca_bundle))


def _text(place: str, path: Path) -> _Used:
    return _Used(place, path, lambda: _digest(path), is_text=True)


def _content_of(path: Path) -> Callable[[], str]:
    return lambda: f"sha256:{content_of(path.resolve())}"


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
