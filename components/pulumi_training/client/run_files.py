"""Files of a run by name: looked up, brought one by one or by prefix, with near names where there is none."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..record.attempt import Attempt
from ..spec.text import count
from .download import DownloadFailed, Wanted, download, download_one, wanted

_NEAR = 5


class FileNotInRun(DownloadFailed):
    """The run has no file of that name; the message names those that are near."""


def file_names(attempt: Attempt) -> list[str]:
    """The names of a run's files, as `outputs/model.pkl` and `logs/std/rank-0.log`, sorted."""
    return [file.path for file in _files(attempt)]


def find_file(attempt: Attempt, name: str) -> Wanted:
    """The file of that name; `model.pkl` is `outputs/model.pkl` where there is no other.

    Raises:
        FileNotInRun: there is none.
    """
    files = {file.path: file for file in _files(attempt)}
    plain = PurePosixPath(name).as_posix().removeprefix("./")
    found = files.get(plain) or files.get(f"outputs/{plain}")
    if found is not None:
        return found
    inside = [path for path in files if path.startswith((f"{plain}/", f"outputs/{plain}/"))]
    if inside:
        raise FileNotInRun(
            f"{name!r} is a folder of {count(len(inside), 'file')}; download_files(prefix={name!r}) brings it"
        )
    raise FileNotInRun(f"{attempt.run_id} has no file {name!r}{_near(plain, list(files))}")


def bring_file(attempt: Attempt, name: str, output_file_path: str | os.PathLike[str] | None) -> Path:
    """Brings a file to a path, or into a folder, or beside the caller; returns where it is now.

    A folder is one that exists, or a path that ends with a slash.

    Raises:
        FileNotInRun: the run has none of that name.
        DownloadFailed: it cannot be written there, or is not what the manifest says.
    """
    file = find_file(attempt, name)
    own = PurePosixPath(file.path).name
    if output_file_path is None:
        place = Path(own)
    else:
        place = Path(output_file_path).expanduser()
        if place.is_dir() or str(output_file_path).endswith(("/", os.sep)):
            place = place / own
    if place.is_dir():
        raise DownloadFailed(f"{place} is a folder, and the file {own} was to be written there")
    download_one(attempt, file, place)
    return place


def bring_files(
    attempt: Attempt,
    prefix: str | None,
    output_directory: str | os.PathLike[str] | None,
    *,
    output_paths: Sequence[str | os.PathLike[str]] | None = None,
    append_prefix: bool = True,
) -> list[Path]:
    """Brings every file whose name begins with `prefix` below a folder; returns where they are.

    `append_prefix=False` leaves the prefix's folders out of the paths; `output_paths` gives a path for each.

    Raises:
        FileNotInRun: no name begins so.
        DownloadFailed: as for `bring_file`, or `output_paths` are not as many as the files.
    """
    begin = (prefix or "").removeprefix("./")
    files = [file for file in _files(attempt) if file.path.startswith(begin)]
    if not files and begin:
        files = [file for file in _files(attempt) if file.path.startswith(f"outputs/{begin}")]
        begin = f"outputs/{begin}"
    if not files:
        names = file_names(attempt)
        raise FileNotInRun(
            f"{attempt.run_id} has no file whose name begins with {prefix!r}{_near(begin, names)}"
        )
    folder = Path(output_directory or ".").expanduser()
    if output_paths is not None:
        if len(output_paths) != len(files):
            raise DownloadFailed(
                f"{len(files)} files begin with {prefix!r}, and {len(output_paths)} paths are given"
            )
        places = [folder / place for place in output_paths]
    elif append_prefix:
        download(attempt, files, folder)
        return [folder / file.path for file in files]
    else:
        above = begin.rpartition("/")[0]
        places = [folder / PurePosixPath(file.path).relative_to(above or ".") for file in files]
    for file, place in zip(files, places, strict=True):
        download_one(attempt, file, place)
    return places


def _files(attempt: Attempt) -> list[Wanted]:
    return wanted(attempt, logs=True)


def _near(name: str, names: list[str]) -> str:
    if not names:
        return "; it has no files"
    close = difflib.get_close_matches(name, names, n=_NEAR, cutoff=0.4)
    by_base = {PurePosixPath(each).name: each for each in names}
    close += [by_base[b] for b in difflib.get_close_matches(PurePosixPath(name).name, list(by_base), n=_NEAR)]
    if close:
        return f"; near it are {', '.join(dict.fromkeys(close))}"
    more = f" and {len(names) - _NEAR} more" if len(names) > _NEAR else ""
    return f"; it has {', '.join(names[:_NEAR])}{more}"
