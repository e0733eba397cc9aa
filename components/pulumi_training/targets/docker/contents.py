"""What a node is given: the agent, the source, the data, the launch request, the secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.facts import ROOM
from ...agent.package import PACKAGE, install
from ...environment import cache
from ..base import RunSpec
from .data import CODE, FOLDER
from .engine import config_of
from .parcels import Fill, Parcel
from .request import AGENT, SECRET_FILE, SHELL_FILE

if TYPE_CHECKING:
    import docker

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


def contents(request: Mapping[str, Any], run: RunSpec, secret: str, *, is_for_all: bool) -> Fill:
    """Writes down everything; `is_for_all` where it is not known which user must read the secret."""
    agent = install(cache.root() / "agent").parent
    launch = request["launch"]
    launch = {**launch, "environment": {**launch["environment"], **run.tracking}}

    def fill(into: Parcel) -> None:
        for folder in _FOLDERS:
            into.folder(f"{FOLDER}/{folder}")
        into.file(SECRET_FILE, secret.encode(), 0o644 if is_for_all else 0o600)
        for file in sorted(agent.rglob("*.py")):
            into.copy(file, f"{AGENT.rpartition('/')[0]}/{file.relative_to(agent).as_posix()}")
        into.file(SHELL_FILE, _SHELL.format(python=request["agent"][0], package=PACKAGE).encode(), 0o755)
        into.file(f"{FOLDER}/launch/launch.json", json.dumps(launch, indent=1).encode())
        into.file(f"{FOLDER}/{ROOM}", bytes(_ROOM_BYTES))
        into.copy(run.code, CODE)
        for path, target in request["links"].items():
            into.link(path, target)
        for folder in request["folders"]:
            into.folder(folder)
        for item in request["copies"]:
            into.copy(Path(item["from"]).resolve(), item["to"])

    return fill


def owner(client: docker.DockerClient, request: Mapping[str, Any]) -> tuple[int, int] | None:
    """Uid and gid of the container's user; None where the image names a user whose number only it knows."""
    user = request["container"]["user"]
    if user is None:
        user = config_of(client, request["image"]).get("User") or "0:0"
    uid, _, gid = str(user).partition(":")
    if not uid.isdigit() or (gid and not gid.isdigit()):
        return (0, 0) if user in ("root", "root:root") else None
    return int(uid), int(gid or 0)
