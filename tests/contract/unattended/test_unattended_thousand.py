"""A thousand live runs in one process: no thread each, one question a tick, and little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from unattended import machine
from unattended.service import Service

from pulumi_training.record.record import Record
from pulumi_training.record.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = 1000
THREADS = 40
"""The driver's pools and loops, whatever the number of runs; the plugin's own pool for what waits comes beside."""
MEGABYTES = 200


def test_a_thousand_live_runs_in_one_process(service: Service, tmp_path: Path) -> None:
    service.rule(only_pretends=True, slots=10**6)
    process = subprocess.run(
        [sys.executable, str(Path(machine.__file__).with_name("thousand.py")), service.address, str(COUNT)],
        env=machine.environment(tmp_path / "other"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout.splitlines()[-1])
    print(found, service.observations()[-found["questions"] :])
    assert found["running"] == COUNT
    assert found["threads"] - found["threads_before"] <= THREADS + found["pool"], found
    assert found["megabytes"] - found["megabytes_before"] <= MEGABYTES, found
    asked = service.observations()[-found["questions"] :]
    assert found["questions"] >= 5 and set(asked) == {COUNT}, "one question of a tick is about all of them"
    record = Record(Store.open(found["store"]), found["run_id"])
    assert record.attempt(1).document().is_live, "let go of, and it goes on"
    assert len(service.attempts()) == COUNT
