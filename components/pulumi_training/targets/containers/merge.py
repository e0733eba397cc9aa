"""What several nodes wrote under the same names, in one folder: nothing is overwritten, no link is gone through.

What is here first stays: node 0's, which comes first. A later node's equal file is the same file; what it wrote
otherwise (another content, a file for a folder, a folder for a file, another link) goes to a folder of its own in the
same part, `outputs/.node-1/`. Where that name is taken by what a script wrote, it is `outputs/.node-1.1/`, and so on.
Which name it got is remembered, so that a collection that was interrupted goes on with the same. A link leads to what
its own node had there, and nowhere out of the attempt's folder.
"""

from __future__ import annotations

import filecmp
import json
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ...agent.beneath import judge, relative, shown
from ...agent.keep import PARTS
from ...record.files import write_whole
from ...record.store import StoreError, explained
from .collected import (
    FILE_KIND,
    FOLDER_KIND,
    LINK_KIND,
    SPECIAL,
    Collected,
    begins_with,
    difference,
    digest_of,
    kind_of,
    pour,
    sweep,
    temporary_in,
)
from .conclusion import is_better
from .mark import MarkFile
from .node_layout import FOLDER, is_event_file_of
from .places import UNNAMEABLE, Asides, Blocked, above_of, below, found_at, is_of_this_side, read_notes

_LEFT_OUT = "launch/left-{node}.json"
_GROWING = ("logs/std/", "metrics/", "launch/")
_OF_ONE_NODE = ("logs/std/", "logs/stacks/", "metrics/", "ranks/")
"""Files that only one node has under their name."""
_FACTS = (*_OF_ONE_NODE, "launch/")


class Merge:
    """An attempt's folder, as it takes one node's files."""

    def __init__(self, folder: Path, node: int, mark: MarkFile) -> None:
        self._folder = folder
        self._node = node
        self._mark = mark
        self._asides = Asides(folder)
        self._links: dict[tuple[str, str], str] = {}  # part and name, to where each leads
        self.strays: dict[tuple[str, str], str] = {}
        """Links that lead to elsewhere in the container: part and name, to where."""
        self.collected = Collected()
        sweep(folder)

    def has(self, part: str, name: str, entry: Mapping[str, object]) -> bool:
        """Whether a file or link of a listing is here."""
        if is_of_this_side(name, self._mark):
            return True
        places = [] if self._asides.has(part, name) else [name]
        aside = self._asides.known(part, self._node)
        if aside is not None:
            places.append(f"{aside}/{below(part, name)}")
        return any(self._is_at(part, place, name, entry) for place in places)

    def take(self, part: str, name: str, member: tarfile.TarInfo, content: IO[bytes] | None) -> Path | None:
        """Takes one member of a part; answers where the content of a file is.

        Raises:
            StoreError: this machine cannot keep it.
        """
        if is_of_this_side(name, self._mark):
            return None
        try:
            if member.isdir():
                self._take_folder(part, name)
            elif member.issym():
                self._note_link(part, name, member.linkname)
            elif content is not None:
                return self._take_file(part, name, member, content)
            else:
                self.collected.left_out[name] = SPECIAL.get(member.type, "is no plain file")
        except StoreError as error:
            self._note_unnameable(name, error)
        return None

    def finish(self) -> None:
        """Makes the links, after all that they may lead to is here, and notes what was left out.

        Raises:
            StoreError: this machine cannot keep it.
        """
        waiting = dict(self._links)
        is_settled = False
        while not is_settled:  # a link that goes aside takes along those that lead to it
            is_settled = True
            for (part, name), leads in list(waiting.items()):
                try:
                    if self._goes_aside(part, name, leads):
                        self._make_link(part, name, leads, is_aside=True)
                        del waiting[part, name]
                        is_settled = False
                except StoreError as error:
                    self._note_unnameable(name, error)
                    del waiting[part, name]
        for (part, name), leads in waiting.items():
            self._make_link(part, name, leads, is_aside=False)
        self._links.clear()
        self._note_left_out()

    def _take_folder(self, part: str, name: str) -> None:
        with self._explained(name):
            at, is_free = self._look(part, name)
            place: Path | None = self._folder / name
            if not is_free or (at is not None and not stat.S_ISDIR(at.st_mode)):
                place = self._aside(part, name, FOLDER_KIND, at)
            if place is not None:
                place.mkdir(parents=True, exist_ok=True)

    def _note_link(self, part: str, name: str, target: str) -> None:
        leads = judge(name, target, FOLDER)
        if name.startswith(_FACTS):
            self.collected.left_out[name] = "is a link in the place of a file of the run's own"
        elif leads is None or not any(leads == top or leads.startswith(f"{top}/") for top in (*PARTS, part)):
            self.collected.left_out[name] = f"is a link to {shown(target)}, outside of what the run put out"
            self.strays[part, name] = os.path.normpath(os.path.join(FOLDER, os.path.dirname(name), target))
        else:
            self._links[part, name] = leads

    def _goes_aside(self, part: str, name: str, leads: str) -> bool:
        """Whether the place of a link is taken, or what it leads to is aside."""
        with self._explained(name):
            at, is_free = self._look(part, name)
            if not is_free or (at is not None and not self._is_link_to(name, at, leads)):
                return True
            return any(place in self.collected.clashes for place in (leads, *above_of(leads)))

    def _make_link(self, part: str, name: str, leads: str, *, is_aside: bool) -> None:
        with self._explained(name):
            place = name
            if is_aside:
                at, _ = self._look(part, name)
                own = self._aside(part, name, LINK_KIND, at)
                if own is None:
                    return
                place = own.relative_to(self._folder).as_posix()
                leads = self._own_of(part, leads)
            path = self._folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if found_at(self._folder, place) is not None:
                if os.readlink(path) == relative(place, leads):
                    return
                path.unlink()  # its own of an earlier try
            path.symlink_to(relative(place, leads))

    def _own_of(self, part: str, name: str) -> str:
        """Where the node's own of a name is: aside, if it has one there."""
        aside = self._asides.known(part, self._node)
        if aside is None or not name.startswith(f"{part}/"):
            return name
        own = f"{aside}/{below(part, name)}"
        try:
            return own if found_at(self._folder, own) is not None else name
        except Blocked:
            return name

    def _take_file(self, part: str, name: str, member: tarfile.TarInfo, content: IO[bytes]) -> Path | None:
        path = self._folder / name
        with self._explained(name):
            at, is_free = self._look(part, name)
        here = at if at is not None and stat.S_ISREG(at.st_mode) else None
        if self._is_document(name) and is_free and (at is None or here):
            data = content.read()
            with self._explained(name):
                if not name.startswith("ranks/") or is_better(data, path):
                    write_whole(path, data, durable=False)
            return path
        is_own = self._node == 0 or self._is_own(name)
        if here and is_own and name.startswith(_GROWING) and here.st_size >= member.size:
            return path
        temporary = temporary_in(self._folder)
        try:
            pour(content, temporary, lambda: self._explained(name))
            with self._explained(name):
                os.utime(temporary, (member.mtime, member.mtime))
                temporary.chmod(0o755 if member.mode & 0o111 else 0o644)
                place = self._settled(part, name, temporary, at, is_free=is_free)
        finally:
            temporary.unlink(missing_ok=True)
        self.collected.files += 1
        self.collected.bytes += member.size
        return place

    def _settled(
        self, part: str, name: str, temporary: Path, at: os.stat_result | None, *, is_free: bool
    ) -> Path | None:
        """Puts a file that has come where it belongs."""
        place: Path | None = self._folder / name
        assert place is not None
        if is_free and at is not None and stat.S_ISREG(at.st_mode):
            if filecmp.cmp(place, temporary, shallow=False):
                return place
            if self._node and not (self._is_own(name) and begins_with(temporary, place)):
                place = self._aside(part, name, FILE_KIND, at)
        elif not is_free or at is not None:
            place = self._aside(part, name, FILE_KIND, at)
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(place)
        return place

    def _aside(self, part: str, name: str, kind: str, at: os.stat_result | None) -> Path | None:
        """Where something goes whose place is taken; None where it cannot be kept there either."""
        aside = self._asides.of(part, self._node)
        if not any(above in self.collected.clashes for above in above_of(name)):
            self.collected.clashes[name] = difference(kind, at)
        self.collected.asides.add(aside)
        own = f"{aside}/{below(part, name)}"
        try:
            before = found_at(self._folder, own)
        except Blocked:
            before = at
        if before is not None and kind_of(before) != kind:
            self.collected.left_out[name] = f"cannot be kept in {aside}: something else is there"
            return None
        return self._folder / own

    def _look(self, part: str, name: str) -> tuple[os.stat_result | None, bool]:
        """What is at a name, and whether that place can be a script's file."""
        if self._asides.has(part, name):
            return None, False
        try:
            return found_at(self._folder, name), True
        except Blocked:
            return None, False

    def _is_document(self, name: str) -> bool:
        """Whether a file is a fact that is replaced whole."""
        if not name.endswith(".json"):
            return False
        return name.startswith("ranks/") or (name.startswith("launch/") and self._node == 0)

    def _is_own(self, name: str) -> bool:
        """Whether only this node has files of that name."""
        return name.startswith(_OF_ONE_NODE) or is_event_file_of(self._node, name)

    def _is_at(self, part: str, place: str, name: str, entry: Mapping[str, Any]) -> bool:
        path = self._folder / place
        try:
            at = found_at(self._folder, place)
        except (Blocked, OSError):
            return False
        if at is None:
            return False
        if "link" in entry:
            leads = judge(name, str(entry["link"]), FOLDER)
            return leads is not None and any(
                self._is_link_to(place, at, to) for to in (leads, self._own_of(part, leads))
            )
        if not stat.S_ISREG(at.st_mode) or at.st_size != entry["size"]:
            return False
        if name.startswith(_GROWING):
            return True
        if "sha256" in entry:
            return bool(entry["sha256"] == digest_of(path))
        return int(at.st_mtime) == int(entry["mtime_ns"]) // 10**9

    def _is_link_to(self, name: str, at: os.stat_result, leads: str) -> bool:
        return stat.S_ISLNK(at.st_mode) and os.readlink(self._folder / name) == relative(name, leads)

    def _note_unnameable(self, name: str, error: StoreError) -> None:
        """Passes over what cannot be had here in any way; raises what room or rights would help."""
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in UNNAMEABLE:
            raise error
        self.collected.left_out[name] = "has a name that cannot be had here"

    def _note_left_out(self) -> None:
        """Leaves a note for the manifest, which says for ever what is missing and why."""
        path = self._folder / _LEFT_OUT.format(node=self._node)
        known = read_notes(path).get("left", {})
        if {**known, **self.collected.left_out} != known:
            document = json.dumps({"left": {**known, **self.collected.left_out}})
            with explained(self._folder, "what was left out cannot be noted there"):
                write_whole(path, document.encode(), durable=False)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        with explained(self._folder, f"{name} of node {self._node} cannot be kept there"):
            yield
