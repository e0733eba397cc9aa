"""What a node is given: the agent, the source, the data, the launch request, the secret.

Links of data must lead in the node to what they lead to here, and to no more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...agent.beneath import attempt_above, find_beneath, judge, relative
from ...agent.facts import ROOM
from ...agent.package import PACKAGE, install, shipped
from ...environment import cache
from ...spec.errors import Problem, SpecError
from ..contract.run import RunSpec
from .node_layout import AGENT_FOLDER, CODE, FOLDER, SECRET_FILE, SHELL_FILE
from .tar_upload import Fill, Upload, reading

_SHELL = """#!{python} -IS
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from {package}.__main__ import main

sys.exit(main(["exec", *sys.argv[1:]]))
"""
_ROOM_BYTES = 256 << 10
"""For the facts of a node's ranks and of the launch, some KB each, when the script has filled the disk."""
_FOLDERS = ("launch", "logs/std", "metrics", "outputs", "ranks")


def node_payload(request: Mapping[str, Any], run: RunSpec, secret: str) -> Fill:
    """Writes down everything that a node is given.

    Raises:
        SpecError: data is to be in a place that the source has.
    """
    replaced = _replaced(run.code, request["links"])
    home = install(cache.root() / "agent").parent
    agent = shipped(home, request.get("python_version", ""))
    launch = request["launch"]
    launch = {**launch, "environment": {**launch["environment"], **run.tracking}}

    def fill(into: Upload) -> None:
        for folder in _FOLDERS:
            into.folder(f"{FOLDER}/{folder}")
        into.file(SECRET_FILE, secret.encode(), 0o600 if request.get("owner") else 0o644)
        for file in agent:
            with reading(file):
                program = file.read_bytes()
            into.file(f"{AGENT_FOLDER}/{file.relative_to(home).as_posix()}", program)
        into.file(SHELL_FILE, _SHELL.format(python=request["agent"][0], package=PACKAGE).encode(), 0o755)
        into.file(f"{FOLDER}/launch/launch.json", json.dumps(launch, indent=1).encode())
        into.zeros(f"{FOLDER}/{ROOM}", _ROOM_BYTES)
        into.copy(run.code, CODE, without=replaced)
        for path, target in request["links"].items():
            into.link(path, target)
        for folder in request["folders"]:
            into.folder(folder)
        for item in request["copies"]:
            copy_data(into, Path(item["from"]).resolve(), item["to"])

    return fill


def _replaced(code: Path, links: Iterable[str]) -> set[str]:
    """The empty folders of the source in whose places links to data come.

    Raises:
        SpecError: something else is in such a place.
    """
    found = set()
    for path in links:
        if not path.startswith(f"{CODE}/"):
            continue
        place = code / path.removeprefix(f"{CODE}/")
        if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
            found.add(path)
        elif os.path.lexists(place):
            raise SpecError(
                Problem("inputs", f"{place.name} is in the source tree already; choose another pathOnCompute")
            )
    return found


def copy_data(into: Upload, root: Path, path: str) -> None:
    """Copies the folder or file `root` to `path` of the node.

    A link to elsewhere in the data stays one. What else it leads to is copied, as the data's fingerprint has it; where a
    run wrote the data, only if that is in the run's own folder. Raises as `Upload.copy`.
    """
    if not root.is_dir():
        into.copy(root, path)
        return
    _Copy(into, root, path).folder(root, "", ())


class _Copy:
    def __init__(self, into: Upload, root: Path, path: str) -> None:
        self._into = into
        self._root = root
        self._path = path
        self._run = attempt_above(str(root))

    def folder(self, place: Path, name: str, above: tuple[tuple[int, int], ...]) -> None:
        """Everything in a folder, which is `name` in the data; `above` are the folders that led here."""
        with reading(place):
            at = place.stat()
            children = sorted(place.iterdir())
        if (at.st_dev, at.st_ino) in above:
            return  # links go round in circles
        above = (*above, (at.st_dev, at.st_ino))
        self._into.folder(self._to(name))
        for child in children:
            inner = f"{name}/{child.name}" if name else child.name
            if child.is_symlink():
                self._link(child, inner, above)
            elif child.is_dir():
                self.folder(child, inner, above)
            else:
                self._into.copy(child, self._to(inner))

    def _link(self, link: Path, name: str, above: tuple[tuple[int, int], ...]) -> None:
        with reading(link):
            target = os.readlink(link)
        leads = judge(name, target, str(self._root))
        if leads is not None and os.path.lexists(self._root / leads):
            self._into.link(self._to(name), relative(name, leads) if target.startswith("/") else target)
            return
        real = self._real(link)
        if real is None:
            self._into.link(self._to(name), target)  # it means nothing here; it may there
        elif real.is_dir():
            self.folder(real, name, above)
        elif real.is_file():
            self._into.copy(real, self._to(name))

    def _real(self, link: Path) -> Path | None:
        try:
            if self._run is not None:
                return Path(self._run, find_beneath(self._run, os.path.relpath(link, self._run))[0])
            return link.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: a circle, before Python 3.13
            return None

    def _to(self, name: str) -> str:
        return f"{self._path}/{name}" if name else self._path
