"""Whose fault an error is: the daemon's silence, its refusal, or this machine's own disk."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import tarfile
from pathlib import Path

import docker.errors
import pytest
import requests.exceptions
import urllib3.exceptions

from pulumi_training.record.store import StoreError
from pulumi_training.spec.errors import PermanentError, TransientError
from pulumi_training.targets.containers.transport import StreamEnded
from pulumi_training.targets.docker.engine import asking

ADDRESS = {"docker_host": "tcp://far:2376"}
OWN = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST,
    errno.ENOENT, errno.ENAMETOOLONG, errno.EMFILE, errno.EIO, errno.ELOOP, errno.EXDEV, errno.EINVAL, errno.ESTALE,
)  # fmt: skip


@pytest.mark.parametrize("number", OWN, ids=errno.errorcode.get)
def test_an_error_of_a_file_of_this_machine_is_never_the_daemons(number: int) -> None:
    with pytest.raises(StoreError) as told, asking(ADDRESS):
        raise OSError(number, os.strerror(number), "/store/runs/fit/outputs/ckpt")
    assert "/store/runs/fit/outputs/ckpt" in told.value.message
    assert "daemon" not in told.value.message.lower() and "far" not in told.value.message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_what_to_do(number: int) -> None:
    with pytest.raises(StoreError, match="free some space"), asking(ADDRESS):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        BrokenPipeError(errno.EPIPE, "broken"),
        TimeoutError("timed out"),
        TimeoutError("timed out"),
        socket.gaierror(socket.EAI_NONAME, "no such host"),
        ssl.SSLError(1, "bad record"),
        OSError(errno.EHOSTUNREACH, "no route"),
        OSError(errno.ENETUNREACH, "no network"),
        StreamEnded("the process is gone"),
        requests.exceptions.ConnectionError("no connection"),
        requests.exceptions.ChunkedEncodingError("cut"),
        requests.exceptions.ReadTimeout("slow"),
        urllib3.exceptions.ProtocolError("cut"),
        docker.errors.DockerException("no answer"),
        tarfile.ReadError("unexpected end of data"),
    ],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__}-{getattr(error, 'errno', None)}",
)
def test_what_a_connection_says_is_worth_another_try(error: Exception) -> None:
    with pytest.raises(TransientError, match="far"), asking(ADDRESS):
        raise error


def test_a_real_full_folder_and_a_real_folder_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=str(tmp_path)), asking(ADDRESS):
        tmp_path.write_bytes(b"x")
    with pytest.raises(StoreError, match="disk is full"), asking(ADDRESS), open("/dev/full", "wb") as stream:  # noqa: PTH123
        stream.write(bytes(1 << 20))


def test_what_was_told_already_passes() -> None:
    for error in (StoreError("full"), TransientError("away"), docker.errors.NotFound("gone")):
        with pytest.raises(type(error)), asking(ADDRESS):
            raise error
    with pytest.raises(PermanentError), asking(ADDRESS):
        raise docker.errors.APIError("no", explanation="invalid reference")
