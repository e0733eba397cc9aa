"""The archive of a source tree: one zstandard-compressed tar file, the same bytes for the same tree."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from ..spec.errors import PermanentError
from ..spec.outcome import Reason

_LEVEL = 3


def archive(tree_folder: Path, destination: Path) -> int:
    """Writes the files below `tree_folder` to `destination` (a `.tar.zst`), atomically; gives its bytes.

    Sorted, without times or owners. Links are left out: a run's copy of a tree has only those that lead to
    its outputs and logs. Raises OSError.
    """
    import zstandard

    destination.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".archive-", dir=destination.parent)
    try:
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        with os.fdopen(handle, "wb") as file, compressor.stream_writer(file, closefd=False) as packed:
            # GNU's form keeps names of any length and any bytes.
            with tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8") as tar:
                for path in _files(str(tree_folder)):
                    _add(tar, f"{tree_folder}/{path}", path)
        size = Path(temporary).stat().st_size
        Path(temporary).replace(destination)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return size


def extract(archive_file: Path, destination: Path) -> None:
    """Unpacks what `archive` wrote into the folder `destination`; existing files are replaced.

    Raises PermanentError(COLLECT_FAILED) for an archive that is torn, or that is not one of ours: a path that
    leads out, or anything but plain files.
    """
    import zstandard

    destination.mkdir(parents=True, exist_ok=True)
    try:
        with archive_file.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
            with tarfile.open(fileobj=plain, mode="r|", encoding="utf-8") as tar:
                for member in tar:
                    _extract(tar, member, destination)
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise PermanentError(Reason.COLLECT_FAILED, f"{archive_file} is damaged: {error}") from error


def _files(folder: str) -> list[str]:
    found = []
    for base, _, names in os.walk(folder):
        prefix = os.path.relpath(base, folder)
        for name in names:
            if os.path.isfile(os.path.join(base, name)) and not os.path.islink(os.path.join(base, name)):
                found.append(name if prefix == "." else f"{prefix}/{name}")
    return sorted(found)


def _add(tar: tarfile.TarFile, place: str, path: str) -> None:
    # What was a file when it was listed may be a link or a pipe by now.
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        stat = os.fstat(file.fileno())
        member = tarfile.TarInfo(path)
        member.size = stat.st_size
        member.mode = 0o755 if stat.st_mode & 0o100 else 0o644
        tar.addfile(member, file)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, destination: Path) -> None:
    path = PurePosixPath(member.name)
    if not member.isreg() or path.is_absolute() or ".." in path.parts:
        raise tarfile.ReadError(f"{member.name!r} is not a plain file inside the tree")
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{member.name!r} has no content")
    target = destination / path
    for above in reversed(path.parents[:-1]):
        folder = destination / above
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise tarfile.ReadError(
                f"{member.name!r} would be written through {str(above)!r}, which is no folder"
            )
        folder.mkdir(exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        raise tarfile.ReadError(f"{member.name!r} is a folder already")
    target.unlink(missing_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if member.mode & 0o100 else 0o666)
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(content, file)
