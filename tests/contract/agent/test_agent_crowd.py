"""Whoever reaches `agent run` without the run's secret: what they hold is bounded, and the training ends as it would."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]
DESCRIPTORS = 1024
WAITS = """
import os, pathlib, time
pathlib.Path("outputs").mkdir(exist_ok=True)
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
"""


def few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def address_of(launched: Any) -> str:
    path = launched.folder / "launch/run.json"
    return str(launched.until(lambda: json.loads(path.read_text())["address"]))


@pytest.mark.parametrize("speaks", [b"", b"x", b'{"body": 1}\n', b"\xff" * 4096])
def test_a_crowd_that_proves_nothing_ends_no_training(launch: Callable[..., Any], speaks: bytes) -> None:
    launched = launch(WAITS)
    launched.process = subprocess.Popen(launched.argv, env=launched.environment, preexec_fn=few_descriptors)
    launched.until_ready()
    address = address_of(launched)
    crowd = []
    for _ in range(DESCRIPTORS + 200):
        each = socket.socket(socket.AF_UNIX)  # a connection waits for its turn where the queue is full
        each.connect(address)
        if speaks:
            try:
                each.sendall(speaks)
            except OSError:
                continue  # it was turned away already
        crowd.append(each)
    held = len(list(Path(f"/proc/{launched.process.pid}/fd").iterdir()))
    (launched.root / "code/go").touch()
    launched.wait()
    for each in crowd:
        each.close()
    assert launched.code == 0
    assert all(launched.rank(rank)["success"] for rank in range(4))
    assert held < 200


def test_on_one_machine_nobody_else_reaches_the_line_of_a_run(launch: Callable[..., Any]) -> None:
    launched = launch(WAITS).start()
    launched.until_ready()
    path = Path(address_of(launched))
    assert stat.S_ISSOCK(path.stat().st_mode) and len(os.fsencode(path)) < 104
    folder = path.parent.stat()
    assert stat.S_IMODE(folder.st_mode) == 0o700 and folder.st_uid == os.getuid()
    (launched.root / "code/go").touch()
    launched.wait()
    assert not path.parent.exists()


def test_a_long_temporary_folder_leaves_room_for_the_path_of_a_socket(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    launched = launch("print('ready')", environment={"TMPDIR": str(deep)}).run()
    assert launched.code == 0
