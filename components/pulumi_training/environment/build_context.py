"""The folders that images are built from: a user's own context, and the one made for a list of packages."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.errors import Problem, SpecError
from .dockerfile import BUILD, CONTEXT
from .dockerfile_reading import DockerfileFacts, read_dockerfile
from .requirements import located

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec
    from .digest import Request

_SKIPPED = shutil.ignore_patterns(".git", "__pycache__", ".venv", "build", "dist", "*.egg-info")


@dataclass(frozen=True)
class UserContext:
    """A user's Dockerfile and the folder it builds from.

    `ignored` are the lines of its `.dockerignore` (of `<Dockerfile>.dockerignore`, where that exists, as
    BuildKit has it). `digest` covers the files that the Dockerfile takes, where that can be told, so that a
    script beside it that it does not copy changes nothing.
    """

    dockerfile: Path
    folder: Path
    text: str
    ignored: tuple[str, ...]
    facts: DockerfileFacts
    digest: str

    @classmethod
    def read(cls, spec: EnvironmentSpec, source: Path) -> UserContext:
        """Reads the files.

        Raises:
            SpecError: the Dockerfile or the folder does not exist, or the docker package is missing.
        """
        folder = located(source, spec.build_context or ".").resolve()
        if not folder.is_dir():
            raise SpecError(
                Problem("environment.buildContext", f"the folder `{spec.build_context}` does not exist")
            )
        dockerfile = located(source, spec.dockerfile or "Dockerfile").resolve()
        if not dockerfile.is_file():
            names = sorted(p.name for p in source.iterdir() if p.is_file()) if source.is_dir() else []
            near = difflib.get_close_matches(dockerfile.name, names, 3, 0.5)
            hint = f"; near names: {', '.join(near)}" if near else ""
            raise SpecError(
                Problem("environment.dockerfile", f"`{spec.dockerfile}` does not exist in {source}{hint}")
            )
        text = dockerfile.read_text(encoding="utf-8-sig", errors="replace")
        facts = read_dockerfile(text, spec.build_arguments)
        ignored = _ignored(folder, dockerfile)
        total = hashlib.sha256()
        if facts.sources != ():
            for path in _taken(files(folder, ignored), facts.sources):
                _digest_file(total, folder, path)
        return cls(dockerfile, folder, text, ignored, facts, total.hexdigest())


@dataclass(frozen=True)
class Lists:
    """pip's requirements as the build sees them, and what must be copied beside them.

    `copies` are pairs of a file or folder of this machine and its place below `files/`; `options` are words
    for `uv pip install`.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    options: tuple[str, ...]
    copies: tuple[tuple[Path, str], ...]

    @classmethod
    def of(cls, request: Request, find_links: list[str], *, extra: tuple[str, ...] = ()) -> Lists:
        """The lists of a request, local paths pointed at where the build will see them."""
        copies: list[tuple[Path, str]] = []
        places: dict[str, str] = {}
        for index, project in enumerate(request.pip.projects):
            inner = f"{index}/{project.name}"
            copies.append((project, inner))
            places[str(project)] = f"{BUILD}/files/{inner}"
        options: list[str] = []
        for index, place in enumerate(find_links):
            if "://" in place:
                options += ["--find-links", place]
                continue
            inner = f"links-{index}"
            copies.append((located(request.source, place).resolve(), inner))
            options += ["--find-links", f"{BUILD}/files/{inner}"]
        lines = [*extra]
        for line in request.pip.lines:
            match = re.match(r"--find-links (/.*)$", line)
            if match:
                inner = f"links-line-{len(copies)}"
                copies.append((Path(match.group(1)), inner))
                line = f"--find-links {BUILD}/files/{inner}"
            lines.append(_moved(line, places))
        return cls(tuple(lines), tuple(request.pip.constraints), tuple(options), tuple(copies))

    @property
    def has_packages(self) -> bool:
        """Whether any line asks for a package."""
        return any(not line.startswith("-") for line in self.requirements)

    def write(self, folder: Path) -> None:
        """Writes the files into a folder that is there.

        Raises:
            SpecError: a folder of wheels does not exist.
        """
        (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in self.requirements))
        if self.constraints:
            (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in self.constraints))
        (folder / "files").mkdir()
        for path, inner in self.copies:
            place = folder / "files" / inner
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, place, ignore=_SKIPPED, symlinks=True, copy_function=_link)
            elif path.is_file():
                _link(str(path), str(place))
            else:
                raise SpecError(Problem("environment.findLinks", f"`{path}` does not exist"))


def stage(folder: Path, lists: Lists, *, text: str, settings: str, uv: Path, ca_bundle: Path | None) -> None:
    """Writes the context of a build of packages: the Dockerfile and, below `CONTEXT`, all that it mentions."""
    place = folder / CONTEXT
    (place / "lists").mkdir(parents=True)
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    (place / "settings").write_text(settings, encoding="utf-8")
    (place / "settings").chmod(0o600)
    _link(str(uv), str(place / "uv"))
    if ca_bundle:
        shutil.copyfile(ca_bundle, place / "ca.pem")
    lists.write(place / "lists")


def files(folder: Path, ignored: tuple[str, ...]) -> list[str]:
    """The files and links of a context that `.dockerignore` lets through, relative, sorted."""
    if not ignored:
        found = []
        for root, folders, names in os.walk(folder):
            links = [name for name in folders if (Path(root) / name).is_symlink()]
            found += [str((Path(root) / name).relative_to(folder)) for name in (*names, *links)]
        return sorted(found)
    from docker.utils.build import PatternMatcher

    walked = PatternMatcher(list(ignored)).walk(str(folder))
    return sorted(p for p in set(walked) if (folder / p).is_symlink() or not (folder / p).is_dir())


def _ignored(folder: Path, dockerfile: Path) -> tuple[str, ...]:
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    path = own if own.is_file() else folder / ".dockerignore"
    if not path.is_file():
        return ()
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    return tuple(line for line in lines if line and not line.startswith("#"))


def _taken(paths: list[str], sources: tuple[str, ...] | None) -> Iterator[str]:
    patterns = None if sources is None else [os.path.normpath(s.lstrip("/")).split("/") for s in sources]
    for path in paths:
        parts = path.split("/")
        if patterns is None or any(_matches(parts, pattern) for pattern in patterns):
            yield path


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if pattern == ["."]:
        return True
    pairs = zip(parts, pattern, strict=False)
    return len(parts) >= len(pattern) and all(fnmatch.fnmatchcase(part, word) for part, word in pairs)


def _digest_file(total: hashlib._Hash, folder: Path, relative: str) -> None:
    path = folder / relative
    total.update(relative.encode("utf-8", "surrogatepass") + b"\0")
    if path.is_symlink():
        total.update(b"link\0" + os.readlink(path).encode("utf-8", "surrogatepass") + b"\0")
    elif path.is_file():
        state = path.stat()
        total.update(f"{state.st_size} {bool(state.st_mode & 0o100)}\0".encode())
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                total.update(block)


def _moved(line: str, places: dict[str, str]) -> str:
    for path, place in places.items():
        if line == path or line.startswith((f"{path}[", f"{path} ", f"{path};")):
            return place + line[len(path) :]
        if f"file://{path}" in line:
            return line.replace(f"file://{path}", f"file://{place}")
    return line


def _link(source: str, destination: str) -> None:
    """A hard link where that goes, else a copy: wheels and uv are large."""
    try:
        os.link(os.path.realpath(source), destination)
    except OSError:
        shutil.copy2(source, destination)
