"""Drives many runs in this process and waits for each, as a plugin does; says what that takes.

`python thousand.py ADDRESS COUNT`, a JSON line at the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from pulumi_training.driver.follow import Follower
from pulumi_training.driver.start import let_go, start
from pulumi_training.provider import training_job  # noqa: F401 - what a plugin has loaded
from pulumi_training.provider.pool import SIZE, blocking
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Status
from unattended.client import Client
from unattended.descriptor import register
from unattended.jobs import Jobs
from unattended.service import Service


def main(address: str, count: int) -> None:
    register()
    service = Service(Path.cwd())
    service.address = address
    jobs = Jobs(Path.cwd() / "program", service)
    process = psutil.Process()
    jobs.intend("pass", "warm")  # what an intent loads is no run's own
    before = process.memory_info().rss, threading.active_count()
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda n: _begun(jobs, n), range(count)))
    running = 0
    while running < count and time.monotonic() - began < 600:
        time.sleep(1)
        running = sum(r.attempt(1).document().status is Status.RUNNING for r in records)
    until_all_run = time.monotonic() - began
    has_left = _follow_all(jobs, records)
    asked, cpu, at = _asked(address), sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(40)
    seconds, questions = time.monotonic() - at, _asked(address) - asked
    found = {
        "running": running,
        "threads_before": before[1],
        "threads": threading.active_count(),
        "pool": SIZE,
        "threads_of": sorted({thread.name.rstrip("-0123456789") for thread in threading.enumerate()}),
        "megabytes_before": round(before[0] / 1e6),
        "megabytes": round(process.memory_info().rss / 1e6),
        "questions": questions,
        "seconds_until_all_run": round(until_all_run, 1),
        "seconds_of_a_tick": round(seconds / max(1, questions), 2),
        "cores_while_they_run": round((sum(process.cpu_times()[:2]) - cpu) / seconds, 2),
        "store": str(jobs.store),
        "run_id": records[0].run_id,
    }
    has_left.set()
    let_go(20.0)
    print(json.dumps(found), flush=True)


def _follow_all(jobs: Jobs, records: list[Record]) -> threading.Event:
    """One coroutine for each, in one thread, until the answer is set."""
    has_left = threading.Event()

    def follow() -> None:
        followers = [
            Follower(record, jobs.base, {}, lambda line: None, has_left.is_set, blocking)
            for record in records
        ]

        async def all_of_them() -> None:
            await asyncio.gather(*(each.follow(1) for each in followers), return_exceptions=True)

        asyncio.run(all_of_them())

    threading.Thread(target=follow, name="plugin", daemon=True).start()
    return has_left


def _begun(jobs: Jobs, number: int) -> Record:
    record = jobs.intend("pass", f"fit-{number}", environmentVariables={"PRETENDED": "yes"})
    start(record, 1, jobs.base, {})
    return record


def _asked(address: str) -> int:
    return len(Client(address).ask("counts")["asked_for"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
