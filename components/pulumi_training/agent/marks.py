"""What tells the processes of one attempt from all others: their environment, and the folder they were started for.

Run ids come from names, so the run of another checkout, or of another person's stack, may have the same one. Stores have
an identity of their own. Attempts that began before stores had one are told by their folder alone.
"""

from __future__ import annotations

import os
import sys

from .plainjson import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

RUN, ATTEMPT, STORE, OUTPUTS = (
    "TRAINING_RUN_ID", "TRAINING_ATTEMPT", "TRAINING_STORE_ID", "TRAINING_OUTPUT_DIR",
)  # fmt: skip
_REQUEST = b"/launch/launch.json"
"""Ends the argument that names the launch request, in an attempt's folder."""


class Marks:
    """The marks of one attempt. `store` is its store's identity, empty where it began before there was one.

    Without a `folder`, whatever folder a process is in is taken for the attempt's; `began_in` is the one it began with,
    where that is another.
    """

    def __init__(
        self, run_id: str, attempt: int | str, store: str = "", folder: str = "", began_in: str = ""
    ) -> None:
        self.run_id, self.attempt, self.store, self.folder = run_id, int(attempt), store, folder
        self._began_in = began_in
        self._words = {f"{RUN}={run_id}".encode(), f"{ATTEMPT}={attempt}".encode()}

    def fit(self, pid: int, environment: Collection[bytes]) -> bool:
        """Whether a process is the attempt's; `environment` are its `NAME=value` words."""
        if not self._words <= set(environment) or value_of(STORE, environment) != self.store:
            return False
        if not self.folder:
            return True
        found = folder_of(self.run_id, self.attempt, pid, environment)
        if found and found == self._began_in:
            return True
        if self.store:
            return not is_elsewhere(found, self.folder, self.store)
        return bool(found) and is_same(found, self.folder)


def value_of(name: str, environment: Collection[bytes]) -> str:
    """A variable's value, empty where it is not set."""
    start = name.encode() + b"="
    return next((os.fsdecode(word[len(start) :]) for word in environment if word.startswith(start)), "")


def folder_of(run_id: str, attempt: int, pid: int, environment: Collection[bytes]) -> str:
    """The attempt's folder that a process was started for, empty where it cannot be told.

    The agent of before said it in its arguments only, and what a launcher started in between works in it.
    """
    outputs = value_of(OUTPUTS, environment)
    if outputs:
        return os.path.dirname(outputs)
    for word in _arguments(pid) if sys.platform.startswith("linux") else environment:
        if word.endswith(_REQUEST):
            return os.fsdecode(word[: -len(_REQUEST)])
    try:
        works_in = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""
    own = f"/{run_id}/attempts/{attempt}"
    above, mark, below = works_in.partition(own)
    return above + own if mark and below[:1] in ("", "/") else ""


def is_elsewhere(folder: str, here: str, identity: str) -> bool:
    """Whether something that was started for the attempt in `folder` is another store's than the attempt in `here`.

    Both have the same identity, run id and attempt number. A copied store has the identity of the original: as long as
    the folder that something was started for is there, it belongs to that one. Where it is not, its store was moved.
    """
    if not folder or folder == here or not os.path.exists(folder) or is_same(folder, here):
        return False
    if _working_copy(folder) and _working_copy(folder) == _working_copy(here):
        return False
    return not os.path.exists(here) or _identity_above(folder) in ("", identity)


def _working_copy(folder: str) -> str:
    """Of which remote store's attempt a folder is a working copy: the end of its path, the same in every state folder."""
    parts = folder.rsplit("/", 5)  # <state>/staging/<store>/<run id>/attempts/<number>
    is_copy = len(parts) == 6 and parts[4] == "attempts" and parts[1] == "staging"
    return "/".join(parts[2:]) if is_copy else ""


def is_same(one: str, other: str) -> bool:
    """Whether two paths are one folder."""
    if one == other:
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _identity_above(folder: str) -> str:
    """The identity of the store that an attempt's folder is in; empty for a working copy of a remote store."""
    store = folder
    for _ in range(4):  # runs/<run id>/attempts/<number>
        store = os.path.dirname(store)
    try:
        with open(f"{store}/store.json", encoding="utf-8") as stream:  # noqa: PTH123
            document = loads(stream.read())
    except (OSError, ValueError):
        return ""
    return str(document.get("identity", "")) if isinstance(document, dict) else ""


def _arguments(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:  # noqa: PTH123
            return stream.read().split(b"\0")
    except OSError:
        return []
