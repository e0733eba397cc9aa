"""What a node is given: the agent, the source, the data, the launch request, the secret."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...agent.facts import ROOM
from ...agent.package import PACKAGE, install, shipped
from ...environment import cache
from ...spec.errors import Problem, SpecError
from ..contract.run import RunSpec
from .data_copy import copy_data
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
