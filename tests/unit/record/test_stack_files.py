"""States and locks of a file backend, as Pulumi writes them in its several layouts and formats."""

from __future__ import annotations

import gzip
import json
import os
import socket
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pulumi_training.record.stack_files import holdings, locks, states
from pulumi_training.spec.errors import TrainingError

TYPE = "training:index:TrainingJob"
URN = f"urn:pulumi:dev::shop::{TYPE}::"


def deployment(*runs: str, creating: tuple[str, ...] = (), deleting: tuple[str, ...] = ()) -> dict[str, Any]:
    resources = [{"type": TYPE, "urn": URN + run, "id": run} for run in runs]
    pending = [{"type": "creating", "resource": {"type": TYPE, "urn": URN + name}} for name in creating]
    pending += [
        {"type": "deleting", "resource": {"type": TYPE, "urn": URN + run, "id": run}} for run in deleting
    ]
    return {
        "resources": [{"type": "pulumi:pulumi:Stack", "urn": "u"}, *resources],
        "pending_operations": pending,
    }


def state(*runs: str, **more: Any) -> bytes:
    latest = deployment(*runs, **more)
    return json.dumps({"version": 3, "checkpoint": {"stack": "dev", "latest": latest}}).encode()


def put(backend: Path, name: str, data: bytes) -> Path:
    path = backend / ".pulumi" / "stacks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_every_layout_and_compression_is_read(tmp_path: Path) -> None:
    put(tmp_path, "shop/dev.json", state("a"))
    put(tmp_path, "shop/gz.json.gz", gzip.compress(state("b")))
    put(tmp_path, "shop/zst.json.zst", zstandard.ZstdCompressor().compress(state("c")))
    put(tmp_path, "legacy.json", state("d"))
    put(tmp_path, "shop/dev.json.bak", state("old"))
    put(tmp_path, "shop/dev.json.attrs", b"{}")
    put(tmp_path, "shop/fresh.json", b'{"version": 3, "checkpoint": {"stack": "fresh"}}')
    assert set().union(*(found.runs for found in states(tmp_path))) == {"a", "b", "c", "d"}


def test_a_pending_creation_is_no_run_and_every_other_pending_operation_is(tmp_path: Path) -> None:
    put(tmp_path, "shop/dev.json", state("a", creating=("fit",), deleting=("gone",)))
    (found,) = states(tmp_path)
    assert found.runs == {"a", "gone"} and found.pending == {URN + "fit"}


@pytest.mark.parametrize("empty", [None, {}, {"resources": None, "pending_operations": None}])
def test_an_empty_state_has_nothing(empty: dict[str, Any] | None) -> None:
    assert holdings(empty).runs == frozenset()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'"x"',
        gzip.compress(b"{}", mtime=0)[:9],
        b"\x28\xb5\x2f\xfdxx",
        b'{"checkpoint": 5}',
    ],
)
def test_a_state_that_cannot_be_read_is_never_an_empty_one(data: bytes, tmp_path: Path) -> None:
    path = put(tmp_path, "shop/dev.json", data)
    with pytest.raises(TrainingError, match=str(path)):
        list(states(tmp_path))


def test_no_backend_has_no_states(tmp_path: Path) -> None:
    assert list(states(tmp_path / "none")) == [] and locks(tmp_path / "none") == []


def lock(backend: Path, where: str = "organization/shop/dev", **content: Any) -> None:
    path = backend / ".pulumi" / "locks" / where / "an-id.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(timezone.utc).isoformat()
    path.write_text(
        json.dumps({"pid": os.getpid(), "hostname": socket.gethostname(), "timestamp": now, **content})
    )


def test_a_lock_whose_number_another_process_has_now_is_dead(tmp_path: Path) -> None:
    before = datetime.now(timezone.utc) - timedelta(days=300)
    lock(tmp_path, timestamp=before.isoformat())
    assert not locks(tmp_path)[0].is_alive
    east = datetime.now(timezone.utc).astimezone(timezone(timedelta(hours=5)))
    lock(tmp_path, timestamp=east.isoformat().replace("+05:00", "123+05:00"))
    assert locks(tmp_path)[0].is_alive, "nanoseconds and a zone, as Go writes them"


@pytest.mark.parametrize(
    "content",
    [{"hostname": "another"}, {"pid": "x"}, {"pid": -1}, {"pid": 2**70}, {"timestamp": "yesterday"}],
)
def test_a_lock_of_which_nobody_can_tell_is_alive(content: dict[str, Any], tmp_path: Path) -> None:
    lock(tmp_path, **content)
    assert locks(tmp_path)[0].is_alive


def test_a_lock_of_an_older_backend_has_no_project(tmp_path: Path) -> None:
    lock(tmp_path, "dev")
    assert (locks(tmp_path)[0].project, locks(tmp_path)[0].stack) == ("", "dev")
