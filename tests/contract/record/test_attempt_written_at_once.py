"""Processes that write an attempt at once, or are killed."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time

from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.outcome import Status


def started(record: Record, number: int = 1) -> Attempt:
    attempt = record.start_attempt(AttemptDocument(record.run_id, number))
    assert attempt
    return attempt


def _count_up(store_url: str, name: str, times: int) -> None:
    attempt = Record(Store.open(store_url), "fit-1").attempt(1)
    for _ in range(times):
        notes = attempt.document().notes
        assert notes is not None
        attempt.update(**{name: float(times)})
        attempt.event("count", name)


def test_processes_that_update_at_once_lose_nothing(folder_store: Store) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    names = ("queued_at", "started_at", "ended_at")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_count_up, args=(folder_store.url, name, 20)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    document = attempt.document()
    assert (document.queued_at, document.started_at, document.ended_at) == (20.0, 20.0, 20.0)
    assert len(list(attempt.events())) == 60


UPDATE_FOR_EVER = """
import sys
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
attempt = Record(Store.open(sys.argv[1]), "fit-1").attempt(1)
print("going", flush=True)
n = 0
while True:
    n += 1
    attempt.update(progress=f"step {n}" * 500, started_at=float(n))
    attempt.event("step", "x" * 3000, n=n)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_documents(folder_store: Store) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    seen = 0
    for wait in (0.01, 0.033, 0.05):
        writer = subprocess.Popen(
            [sys.executable, "-c", UPDATE_FOR_EVER, folder_store.url], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout and writer.stdout.readline() == "going\n"
        time.sleep(wait)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        assert attempt.document().status is Status.NOT_STARTED
        attempt.event("alive")
        found = list(attempt.events())
        assert found[-1].kind == "alive" and len(found) > seen
        seen = len(found)
    attempt.update(status=Status.RUNNING)
