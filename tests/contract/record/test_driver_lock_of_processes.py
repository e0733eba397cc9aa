"""The driver's lock, between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from pulumi_training.record.holder import birth_of
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store

HOLD = """
import sys, time
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
lock = DriverLock(Record(Store.open(sys.argv[1]), "fit-1"))
print(lock.acquire(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def record(store: Store) -> Record:
    return Record(store, "fit-1")


def quiet(record: Record, **options: Any) -> DriverLock:
    return DriverLock(record, beat_seconds=0, **options)


def test_a_killed_driver_frees_the_lock_at_once(folder_store: Store) -> None:
    record = Record(folder_store, "fit-1")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder_store.url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout and holder.stdout.readline().strip() == "True"
        lock = quiet(record)
        assert not lock.acquire()
        found = lock.holder()
        assert found and found.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert lock.holder() is None
        assert lock.acquire()
        lock.release()
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout:
            holder.stdout.close()


def test_a_program_started_by_the_driver_does_not_keep_the_lock(folder_store: Store) -> None:
    record = Record(folder_store, "fit-1")
    lock = quiet(record)
    assert lock.acquire()
    child = subprocess.Popen(["sleep", "30"], close_fds=False)
    try:
        lock.release()
        assert quiet(record).acquire()
    finally:
        child.kill()
        child.wait()


def test_a_process_is_told_by_its_birth() -> None:
    child = subprocess.Popen(["sleep", "30"])
    born = birth_of(child.pid)
    assert born and birth_of(os.getpid()) != born
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert birth_of(child.pid) is None, "a zombie is no process"
    child.wait()
