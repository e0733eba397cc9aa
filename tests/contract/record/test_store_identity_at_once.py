"""Processes that use a store first, at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pulumi_training.record.store import Store
from pulumi_training.record.store_identity import (
    identity_of,
)


def test_processes_that_use_a_folder_first_at_once_agree(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pulumi_training.record.store import Store\n"
        "from pulumi_training.record.store_identity import ensure_identity\n"
        "store = Store.open(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
        "print(ensure_identity(store))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "store")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.close()
    found = {process.stdout.read().strip() for process in processes if process.stdout}
    assert [process.wait(30) for process in processes] == [0] * 4
    assert found == {identity_of(Store.open(str(tmp_path / "store")))}
