"""Data on its way into a node: in the node its links must lead to what they lead to here, and to no more."""

from __future__ import annotations

import os
from pathlib import Path

from ...agent.beneath import attempt_above, find_beneath, judge, relative
from .tar_upload import Upload, reading


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
