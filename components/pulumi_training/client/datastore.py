"""Data moved now, from a notebook or a program: what `Datastore.upload`, `upload_files` and `download` do."""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..data import transfer
from ..spec.errors import Problem, SpecError
from ..spec.text import count
from ..spec.urls import on_compute


def upload(source: str, src_dir: str, target_path: str, overwrite: bool, show_progress: bool) -> None:
    """See `Datastore.upload`."""
    folder = Path(src_dir).expanduser()
    if not folder.is_dir():
        what = "is a file; write upload_files([...])" if folder.is_file() else "does not exist"
        raise SpecError(Problem("src_dir", f"{src_dir} {what}"))
    with _shown(show_progress) as show:
        done = transfer.upload(folder, _below(source, target_path), show, overwrites=overwrite)
    _tell_left(folder, done.kept, overwrite, show_progress)


def upload_files(
    source: str,
    files: Sequence[str],
    relative_root: str | None,
    target_path: str,
    overwrite: bool,
    show_progress: bool,
) -> None:
    """See `Datastore.upload_files`."""
    if isinstance(files, str):
        raise SpecError(Problem("files", f"is one text, {files!r}; write a list of paths"))
    places = [Path(os.path.abspath(Path(file).expanduser())) for file in files]
    missing = [str(file) for file, place in zip(files, places, strict=True) if not place.is_file()]
    if missing:
        raise SpecError([Problem("files", f"{file} is not a file of this machine") for file in missing])
    if not places:
        return
    root = Path(os.path.abspath(Path(relative_root).expanduser())) if relative_root else _common(places)
    outside = [str(place) for place in places if root not in place.parents]
    if outside:
        raise SpecError([Problem("relative_root", f"{file} is not below {root}") for file in outside])
    with _shown(show_progress) as show:
        for place in places:
            name = posixpath.join(target_path, place.relative_to(root).as_posix())
            transfer.upload(place, _below(source, name), show, overwrites=overwrite)


def download(source: str, target_path: str, prefix: str, overwrite: bool, show_progress: bool) -> int:
    """See `Datastore.download`."""
    target = Path(target_path).expanduser()
    if target.is_file():
        raise SpecError(Problem("target_path", f"{target_path} is a file; give a folder"))
    with _shown(show_progress) as show:
        return transfer.download(_below(source, prefix), target, show, overwrites=overwrite).files


def _below(source: str, path: str) -> str:
    if on_compute(source) is not None:
        raise SpecError(
            Problem(
                "source",
                f"{source} is at the daemon's machine and cannot be reached from here; copy it there",
            )
        )
    if posixpath.isabs(path) or ".." in path.split("/"):
        raise SpecError(Problem("target_path", f"{path} is not inside the datastore; write a relative path"))
    return posixpath.join(source, path) if path else source


def _common(places: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([place.parent for place in places]))


def _tell_left(folder: Path, kept: int, overwrite: bool, show_progress: bool) -> None:
    if kept and not overwrite and show_progress:
        print(
            f"{count(kept, 'file')} of {folder} already there and left alone; overwrite=True replaces what differs"
        )


@contextmanager
def _shown(is_on: bool) -> Iterator[Callable[[str], None]]:
    """Progress as one line that is written over, on a terminal; elsewhere the last line only."""
    is_terminal = sys.stdout.isatty()
    last = ""

    def show(line: str) -> None:
        nonlocal last
        last = line
        if is_on and is_terminal:
            print(f"\r\x1b[K{line}", end="", flush=True)

    yield show
    if is_on and last:
        print("" if is_terminal else last, flush=True)
