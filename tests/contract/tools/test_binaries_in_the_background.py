"""tools/binaries builds in the background; whoever waits gets what was begun there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[3] / "tools"
PROGRAM = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
from programs import command
from programs.recipes import Recipe

def make(draft):
    with open(PINS.parent / "builds", "a") as builds:
        builds.write("one\\n")
    time.sleep(1.0)
    (draft / "program").write_text("")

PINS = Path(sys.argv.pop(1))
command.recipes = lambda: {"thing": Recipe("thing", PINS, "program", make)}
sys.exit(command.main())
"""


def test_two_that_build_at_once_build_once(tmp_path: Path) -> None:
    pins = tmp_path / "pins"
    pins.mkdir()
    (pins / "go.sum").write_text("one")
    environment = {**os.environ, "TRAINING_BINARIES_DIR": str(tmp_path / "binaries")}
    line = [sys.executable, "-c", PROGRAM, str(TOOLS), str(pins)]
    first = subprocess.Popen([*line, "build"], env=environment)
    end = time.monotonic() + 30
    while not (tmp_path / "builds").exists() and time.monotonic() < end:
        time.sleep(0.02)
    second = subprocess.run([*line, "wait"], env=environment, capture_output=True, text=True, timeout=60)
    assert first.wait(60) == 0 and second.returncode == 0, second.stderr
    assert (tmp_path / "builds").read_text() == "one\n"
    there = subprocess.run([*line, "missing"], env=environment, capture_output=True, text=True, timeout=60)
    assert there.stdout == ""


def test_without_a_build_there_is_nothing_to_stop(tmp_path: Path) -> None:
    environment = {**os.environ, "TRAINING_BINARIES_DIR": str(tmp_path / "binaries")}
    subprocess.run([TOOLS / "binaries", "stop"], env=environment, check=True, capture_output=True, timeout=60)
