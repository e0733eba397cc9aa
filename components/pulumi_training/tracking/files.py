"""An attempt's files as artifacts of its MLflow run: sent to a server, or laid beside the record without their weight."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..agent.beneath import find_beneath
from ..agent.sparse import copy_sparse
from ..record.files import temporary_beside

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

WORTH_SHARING = 1 << 20
"""Bytes; what is smaller is copied."""
_CLONE = 0x40049409
"""Linux's FICLONE: the target gets the blocks of the source, and each of both its own at the first change."""
_WRITERS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def send_folder(client: MlflowClient, run: Run, folder: Path, name: str) -> None:
    """Makes `folder` the artifacts `name` of a run. Raises what MLflow and the file system raise."""
    found, is_plain = _files(folder)
    if not found:
        return
    place = urlsplit(run.info.artifact_uri)
    if place.scheme == "file":
        for path, real in found.items():
            target = Path(url2pathname(place.path), name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            share(str(folder.parent / real), str(target))
    elif is_plain:
        client.log_artifacts(run.info.run_id, str(folder), name)
    else:  # MLflow would follow the links, and wait for the pipes
        with tempfile.TemporaryDirectory(prefix="training-artifacts-") as scratch:
            for path, real in found.items():
                (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(scratch) / path).symlink_to((folder.parent / real).absolute())
            client.log_artifacts(run.info.run_id, scratch, name)


def _files(folder: Path) -> tuple[dict[str, str], bool]:
    """The files that count, path to the path that has no link in it; and whether there is nothing else."""
    found, is_plain = {}, not folder.is_symlink()
    for base, folders, names in os.walk(folder):
        is_plain = is_plain and not any(os.path.islink(os.path.join(base, inner)) for inner in folders)
        for file in names:
            path = os.path.relpath(os.path.join(base, file), folder)
            try:
                real, at = find_beneath(str(folder.parent), f"{folder.name}/{path}")
            except OSError:
                is_plain = False  # it leads out or nowhere
                continue
            is_file = stat.S_ISREG(at.st_mode)
            is_plain = is_plain and is_file and real == f"{folder.name}/{path}"
            if is_file:
                found[path] = real
    return found, is_plain


def share(source: str, target: str) -> str:
    """Makes `target` a file of the same content, where it can be had without the same space; returns `target`.

    On btrfs, XFS and what else clones files it is a clone. Elsewhere a file of a MiB or more that is this user's is
    one file under two names, and read-only from now on: whoever edited the artifact in place would change the record's
    output. Root may write what is read-only, so root's files are copied; small ones and those of another file system
    are, too.
    """
    found = os.stat(source)
    path = Path(target)
    if path.exists() and os.path.samestat(found, path.stat()):
        return target
    temporary = temporary_beside(path)
    try:
        if not (_cloned(source, temporary) or _linked(source, temporary, found)):
            _copied(source, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return target


def _cloned(source: str, target: Path) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        with Path(source).open("rb") as read, target.open("wb") as written:
            fcntl.ioctl(written.fileno(), _CLONE, read.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        return False
    shutil.copystat(source, target)
    return True


def _copied(source: str, target: Path) -> None:
    with Path(source).open("rb") as read, target.open("xb") as written:
        copy_sparse(read.fileno(), written.fileno())
    shutil.copystat(source, target)


def _linked(source: str, target: Path, found: os.stat_result) -> bool:
    user = os.geteuid()
    if found.st_size < WORTH_SHARING or user == 0 or found.st_uid != user or os.path.islink(source):
        return False
    try:
        os.link(source, target)
    except OSError:
        return False
    os.chmod(source, stat.S_IMODE(found.st_mode) & ~_WRITERS)
    return True
