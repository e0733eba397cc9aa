"""Requirements in pip's syntax: read, checked, and made independent of the folder they were written in.

Of files (`pip_requirements_file`, and `-r` and `-c` inside it) every line is understood as pip does:
comments, continuation lines, options. Relative paths count from the file they stand in, else from the source
folder. Folders to install are given by absolute path; an editable one is installed as a copy, since an
environment shared by jobs must not depend on a folder that changes or goes.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.errors import Problem, SpecError
from .mirror import reflected

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_PATH = re.compile(r"^(\.{1,2}(/|$|\[)|/|~/|file:)")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://|^git\+")
_ARCHIVE = re.compile(r"\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)$")
_EXTRAS = re.compile(r"(\[[A-Za-z0-9._, -]*\])\s*$")
_COMMENT = re.compile(r"(^|\s)#.*$")
_LINE_OPTIONS = re.compile(r"\s+--(hash|global-option|config-settings?)[ =].*$")
_INCLUDES = ("-r", "--requirement", "-c", "--constraint")
_PATH_OPTIONS = ("-f", "--find-links")
_EDITABLE = ("-e", "--editable")
_OPTIONS = frozenset(
    (
        *_INCLUDES,
        *_PATH_OPTIONS,
        *_EDITABLE,
        "-i",
        "--index-url",
        "--extra-index-url",
        "--no-index",
        "--no-binary",
        "--only-binary",
        "--prefer-binary",
        "--require-hashes",
        "--pre",
        "--trusted-host",
        "--use-feature",
    )
)


@dataclass
class Requirements:
    """All that pip is asked for.

    `lines` go to the installer as they are; `names` are canonical; `projects` are the local folders and
    archives among the lines, whose content belongs to the environment's digest; `texts` maps each file read
    to its text. `files`, `places` and `links` say where those files, projects and folders of wheels were found, by
    the names that the declaration has for them, seen from the source folder.
    """

    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    projects: list[Path] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)
    links: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many packages are asked for by name or place."""
        return sum(1 for line in self.lines if not line.startswith("-"))


@dataclass(frozen=True)
class _Place:
    """Where a line stands: for messages, and for relative paths. `inside` is the file's folder as the declaration names it."""

    path: str
    folder: Path
    source: Path
    label: str = ""
    inside: str = ""

    def problem(self, message: str) -> Problem:
        return Problem(self.path, f"{self.label}: {message}" if self.label else message)


def problems(spec: EnvironmentSpec, source: Path, *, more: tuple[str, ...] = ()) -> list[Problem]:
    """Everything wrong with a spec's pip requirements: lines that do not parse, files that are missing.

    `more` are the lines of a conda file's pip list.
    """
    found: list[Problem] = []
    _collect(spec, source, found, strict=True, more=more)
    return found


def read(spec: EnvironmentSpec, source: Path, *, more: tuple[str, ...] = ()) -> Requirements:
    """Reads the requirements of a spec, and `more` lines (those of a conda file), without judging each line.

    Raises:
        SpecError: a file is missing or includes itself.
    """
    found: list[Problem] = []
    requirements = _collect(spec, source, found, strict=False, more=more)
    if found:
        raise SpecError(found)
    return requirements


def is_place(line: str) -> bool:
    """Whether a requirement is of a folder or an archive of this machine."""
    bare = _LINE_OPTIONS.sub("", line.strip())
    return bool(_is_project(bare) or re.search(r"@\s*file://", bare))


def canonical(name: str) -> str:
    """A package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(line: str) -> str | None:
    """The canonical name a requirement starts with; None for a bare URL or path."""
    if _PATH.match(line) or _URL.match(line):
        archive = re.match(r"([A-Za-z0-9._]+?)-\d", line.rsplit("/", 1)[-1])
        return canonical(archive.group(1)) if archive else None
    match = _NAME.match(line)
    return canonical(match.group(1)) if match else None


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a requirements file without comments, continuation lines joined, with their numbers."""
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start or number
        line = raw if not pending else raw.lstrip()
        if line.rstrip().endswith("\\") and not _COMMENT.search(line):
            pending += line.rstrip()[:-1] + " "
            continue
        joined = _COMMENT.sub("", pending + line).strip()
        if joined:
            yield start, joined
        pending, start = "", 0
    if pending.strip():
        yield start, pending.strip()


def _collect(
    spec: EnvironmentSpec, source: Path, found: list[Problem], *, strict: bool, more: tuple[str, ...] = ()
) -> Requirements:
    result = Requirements()
    for index, line in enumerate(spec.pip_packages):
        place = _Place(f"environment.pipPackages[{index}]", source, source)
        _package(line.strip(), place, result, found, strict)
    for line in more:
        place = _Place("environment.condaDependenciesFile", source, source, "pip list")
        if line.startswith("-"):
            _option(line, place, result, found, strict, (), False)
        else:
            _package(line.strip(), place, result, found, strict)
    if spec.pip_requirements_file:
        place = _Place("environment.pipRequirementsFile", source, source)
        _file(spec.pip_requirements_file, place, result, found, strict, (), is_constraint=False)
    return result


def _package(line: str, place: _Place, result: Requirements, found: list[Problem], strict: bool) -> None:
    if not line or line.startswith("#"):
        found.append(place.problem("is empty; write a requirement such as `numpy>=1.26`"))
    elif line.startswith("-"):
        found.append(
            place.problem(
                f"`{line}` is an option, not a requirement; options belong in the pipRequirementsFile"
            )
        )
    else:
        _requirement(line, place, result, found, strict)


def _requirement(line: str, place: _Place, result: Requirements, found: list[Problem], strict: bool) -> None:
    bare = _LINE_OPTIONS.sub("", line)
    if _is_project(bare):
        located = _locate(bare, place, found)
        if located is None:
            return
        path, extras, found_at, named = located
        result.projects.append(path)
        result.places[_named(place, named, found_at)] = found_at
        result.lines.append(f"{path}{extras}")
    else:
        if strict and not _URL.match(bare):
            _judge(bare, place, found)
        result.lines.append(line)
        reference = re.search(r"@\s*file://([^\s;#]+)", bare)
        if reference and Path(reference.group(1)).exists():
            result.projects.append(Path(reference.group(1)))
            result.places[reference.group(1)] = Path(reference.group(1))
    name = name_of(bare)
    if name:
        result.names.add(name)


def _is_project(bare: str) -> bool:
    is_archive = _ARCHIVE.search(bare) and not _URL.match(bare) and " @ " not in bare
    return bool(_PATH.match(bare) or is_archive)


def _judge(line: str, place: _Place, found: list[Problem]) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(line)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        single = re.fullmatch(r"\s*([A-Za-z0-9._-]+)\s*=\s*([0-9][^\s=]*)(=\S+)?\s*", line)
        advice = (
            f"; pip writes `{single.group(1)}=={single.group(2)}` (a single `=` is conda's)"
            if single
            else "; write it as `name`, `name>=1.0`, `name==1.2.3`, `name @ URL` or `./folder`"
        )
        found.append(place.problem(f"`{line}` is not a requirement ({reason}){advice}"))


def located(folder: Path, name: str) -> Path:
    """Where a name of the declaration leads from a folder: `~` is the user's, links are not followed."""
    return reflected(folder, Path(os.path.normpath(folder / Path(name).expanduser())))


def _named(place: _Place, name: str, path: Path) -> str:
    """A file's name as the declaration has it, seen from the source folder, wherever the checkout is."""
    if name.startswith(("/", "~")):
        return name
    from_source = path == located(place.source, name)
    return name if from_source else os.path.normpath(f"{place.inside or '.'}/{name}")


def _locate(line: str, place: _Place, found: list[Problem]) -> tuple[Path, str, Path, str] | None:
    """A project's real path, its extras, where it was found, and what it is called there."""
    bare = line.split(";")[0].strip()
    extras = _EXTRAS.search(bare)
    text = bare[: extras.start()] if extras else bare
    text = re.sub(r"^file:(//)?", "", text)
    for base in (place.folder, place.source):
        path = located(base, text)
        if path.exists():
            return path.resolve(), extras.group(1) if extras else "", path, text
    found.append(place.problem(f"`{text}` does not exist in {place.source}"))
    return None


def _file(
    name: str,
    place: _Place,
    result: Requirements,
    found: list[Problem],
    strict: bool,
    parents: tuple[Path, ...],
    *,
    is_constraint: bool,
) -> None:
    path = next((p for p in (located(place.folder, name), located(place.source, name)) if p.is_file()), None)
    if path is None:
        found.append(place.problem(missing(name, place.folder)))
        return
    named = _named(place, name, path)
    result.files[named] = path
    path = path.resolve()
    if path in parents:
        found.append(place.problem(f"`{name}` includes itself"))
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        found.append(place.problem(f"`{name}` is not UTF-8 text"))
        return
    label = (
        str(path.relative_to(place.source.resolve())) if path.is_relative_to(place.source.resolve()) else name
    )
    while result.texts.get(label, text) != text:
        label += "+"  # two files of one name in two folders: both count
    result.texts[label] = text
    for number, line in logical_lines(text):
        where = f"{label} line {number}"
        here = _Place(place.path, path.parent, place.source, where, os.path.dirname(named))
        if line.startswith("-"):
            _option(line, here, result, found, strict, (*parents, path), is_constraint)
        elif is_constraint:
            if strict:
                _judge(_LINE_OPTIONS.sub("", line), here, found)
            result.constraints.append(line)
        else:
            _requirement(line, here, result, found, strict)


def _option(
    line: str,
    place: _Place,
    result: Requirements,
    found: list[Problem],
    strict: bool,
    parents: tuple[Path, ...],
    is_constraint: bool,
) -> None:
    match = re.match(r"(--[a-z-]+|-[a-z])(?:\s*=\s*|\s+)?(.*)$", line)
    option, value = (match.group(1), match.group(2).strip()) if match else (line, "")
    if option not in _OPTIONS:
        known = difflib.get_close_matches(option, _OPTIONS, 1)
        found.append(
            place.problem(f"unknown option `{option}`" + (f"; is `{known[0]}` meant?" if known else ""))
        )
    elif option in _INCLUDES:
        constrains = is_constraint or option in ("-c", "--constraint")
        _file(value, place, result, found, strict, parents, is_constraint=constrains)
    elif option in _EDITABLE:
        before = len(result.lines)
        _requirement(value, place, result, found, strict)
        if len(result.lines) > before and not _URL.match(value):
            result.warnings.append(
                f"{value} is installed as a copy, not editable: environments are shared by jobs"
            )
    elif option in _PATH_OPTIONS and not _URL.match(value):
        folder = next(
            (p for p in (located(place.folder, value), located(place.source, value)) if p.exists()), None
        )
        if folder is None:
            found.append(place.problem(f"`{value}` does not exist"))
        else:
            result.links[_named(place, value, folder)] = folder
            result.lines.append(f"--find-links {folder.resolve()}")
    else:
        result.lines.append(line)


def missing(name: str, folder: Path) -> str:
    """The message for a file that is not there, with the near names of its folder."""
    looked = located(folder, name).parent
    names = sorted(p.name for p in looked.iterdir() if p.is_file()) if looked.is_dir() else []
    near = difflib.get_close_matches(Path(name).name, names, 3, 0.5)
    hint = f"; near names: {', '.join(near)}" if near else ""
    return f"`{name}` does not exist in {folder}{hint}"
