"""An attempt's files as artifacts of its MLflow run: sent to a server, or laid beside the record without their weight."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

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
    if not folder.is_dir() or not any(path.is_file() for path in folder.rglob("*")):
        return
    place = urlsplit(run.info.artifact_uri)
    if place.scheme == "file":
        shutil.copytree(folder, Path(url2pathname(place.path), name), copy_function=share, dirs_exist_ok=True)
    else:
        client.log_artifacts(run.info.run_id, str(folder), name)


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
            shutil.copy2(source, temporary)
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
