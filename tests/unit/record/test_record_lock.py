from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import Any

import pytest

from pulumi_training.record import lock as lock_module
from pulumi_training.record.holder import Holder, this_process
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store


@pytest.fixture
def record(store: Store) -> Record:
    return Record(store, "fit-1")


def quiet(record: Record, **options: Any) -> DriverLock:
    return DriverLock(record, beat_seconds=0, **options)


def write_holder(record: Record, holder: Holder) -> None:
    record.store.write(f"{record.prefix}/driver.json", json.dumps(holder.to_json()).encode())


def elsewhere(**changes: Any) -> Holder:
    there = Holder("other-host", "other-boot", 77, beats=1, token="theirs", birth="1", pid_space="pid:[1]")
    return replace(there, **changes)


def test_one_driver_at_a_time(record: Record) -> None:
    first, second = quiet(record), quiet(record)
    assert first.acquire() and first.is_held_here()
    assert not second.acquire() and not second.is_held_here()
    holder = second.holder()
    assert holder and holder.pid == os.getpid() and holder.boot_id == this_process().boot_id
    first.release()
    first.release()
    assert second.holder() is None
    assert second.acquire()
    second.release()


def test_a_dead_process_and_an_earlier_boot_hold_nothing(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "_SETTLE_SECONDS", 0.0)
    me = this_process(token="theirs")
    for dead in (replace(me, pid=2**22 + 1), replace(me, birth="0"), replace(me, boot_id="the boot before")):
        write_holder(record, dead)
        lock = quiet(record)
        assert lock.holder() is None
        assert lock.acquire(), dead
        lock.release()


def test_another_machine_holds_the_lock_while_it_beats(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(lock_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(lock_module, "_SETTLE_SECONDS", 0.0)
    write_holder(record, elsewhere(beats=1))
    lock = quiet(record, patience=60)
    assert not lock.acquire(), "met for the first time"
    now[0] = 50
    write_holder(record, elsewhere(beats=2))
    assert not lock.acquire()
    now[0] = 100
    found = lock.holder()
    assert found and str(found) == "process 77 on other-host"
    assert not lock.acquire(), "50 s after its last beat"
    now[0] = 111
    assert lock.acquire()
    lock.release()


def test_a_container_of_this_machine_cannot_be_probed_by_pid(tmp_path: Any) -> None:
    record = Record(Store.open("memory://lock-in-container/x"), "fit-1")
    write_holder(record, replace(this_process(token="theirs"), pid=2**22 + 1, pid_space="pid:[other]"))
    assert not quiet(record).acquire()


def test_a_driver_whose_lock_was_taken_over_learns_it(record: Record) -> None:
    lock = quiet(record)
    assert lock.acquire()
    assert lock.beat()
    write_holder(record, elsewhere())
    assert not lock.beat()
    assert not lock.is_held_here()
    lock.release()
    holder = json.loads(record.store.read(f"{record.prefix}/driver.json"))
    assert holder["token"] == "theirs", "a lost lock is not taken from its new holder"


def test_the_lock_beats_by_itself(record: Record) -> None:
    lock = DriverLock(record, beat_seconds=0.01)
    assert lock.acquire()
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        if json.loads(record.store.read(f"{record.prefix}/driver.json"))["beats"] >= 3:
            break
        time.sleep(0.01)
    else:
        pytest.fail("no third beat")
    lock.release()
    assert not record.store.exists(f"{record.prefix}/driver.json")


def test_looking_does_not_hinder_taking(folder_store: Store) -> None:
    import threading

    record = Record(folder_store, "fit-1")
    with quiet(record) as first:
        assert first.acquire()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            quiet(record).holder()

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(20):
            lock = quiet(record)
            assert lock.acquire()
            lock.release()
    finally:
        stop.set()
        looker.join()


def test_of_two_that_take_over_a_dead_lease_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(Store.open("memory://lock-take-over/x"), "fit-1")
    write_holder(record, replace(this_process(token="theirs"), birth="0"))
    lock = quiet(record)
    # While this one waits for the store to settle, another one writes itself over it.
    monkeypatch.setattr(lock_module.time, "sleep", lambda seconds: write_holder(record, elsewhere()))
    assert not lock.acquire() and not lock.is_held_here()


def test_a_holder_elsewhere_that_beats_no_more_is_seen_by_whoever_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each who asks makes a lock of its own, and looks once."""
    record = Record(Store.open("memory://lock-asked-anew/x"), "fit-1")
    write_holder(record, elsewhere())
    now = [1000.0]
    monkeypatch.setattr(lock_module.time, "monotonic", lambda: now[0])
    assert quiet(record).holder() is not None and not quiet(record).acquire()
    now[0] += lock_module.PATIENCE - 1
    assert quiet(record).holder() is not None
    write_holder(record, elsewhere().next_beat())
    now[0] += 2
    assert quiet(record).holder() is not None, "it beats"
    now[0] += lock_module.PATIENCE
    assert quiet(record).holder() is None
