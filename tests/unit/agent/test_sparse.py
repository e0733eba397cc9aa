"""Holes stay holes, and what is read is what was written."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from pulumi_training.agent.sparse import BLOCK, copy_sparse, finish, write_sparse


def blocks(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        bytes(3 * BLOCK),
        b"a" + bytes(3 * BLOCK) + b"b",
        bytes(BLOCK) + b"c" * BLOCK + bytes(BLOCK + 1),
        b"d" * (2 * BLOCK + 7),
    ],
)
@pytest.mark.parametrize("piece", [1000, BLOCK, BLOCK + 1, 1 << 20])
def test_what_is_written_with_holes_reads_the_same(tmp_path: Path, data: bytes, piece: int) -> None:
    path = tmp_path / "file"
    with path.open("wb") as stream:
        for at in range(0, len(data), piece):
            write_sparse(stream.fileno(), at, data[at : at + piece])
        finish(stream.fileno(), len(data))

    assert path.read_bytes() == data


def test_a_gib_of_nothing_takes_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as stream:
        stream.truncate(1 << 30)
        stream.seek(1 << 29)
        stream.write(b"model")
    with source.open("rb") as read, target.open("wb") as written:
        assert copy_sparse(read.fileno(), written.fileno()) == 1 << 30

    assert target.stat().st_size == 1 << 30
    assert blocks(target) < 1 << 20
    with target.open("rb") as stream:
        stream.seek(1 << 29)
        assert stream.read(6) == b"model\0"


def test_zeros_of_a_stream_become_holes(tmp_path: Path) -> None:
    data = b"head" + bytes(64 << 20) + b"tail"
    stream, at = io.BytesIO(data), 0
    with (tmp_path / "file").open("wb") as written:
        while piece := stream.read(1 << 20):
            write_sparse(written.fileno(), at, piece)
            at += len(piece)
        finish(written.fileno(), at)
    assert at == len(data)

    assert (tmp_path / "file").read_bytes() == data
    assert blocks(tmp_path / "file") < 1 << 20


def test_a_copy_holds_what_the_file_holds_where_its_holes_are_small(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as stream:
        for at in range(0, 1 << 20, 3 * 4096):
            stream.seek(at)
            stream.write(os.urandom(100))
    with source.open("rb") as read, target.open("wb") as written:
        copy_sparse(read.fileno(), written.fileno())

    assert target.read_bytes() == source.read_bytes()
