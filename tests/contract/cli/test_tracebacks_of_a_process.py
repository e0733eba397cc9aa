"""An error of the command line, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pulumi_training.cli import exit, main
def broken(*_, **__): raise TypeError("nobody foresaw this")
main.build = lambda: broken
main.main()
"""


def test_an_unforeseen_error_is_one_line_that_names_the_file_with_the_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    assert done.returncode == 1 and done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "TypeError: nobody foresaw this" in line and "Traceback" not in line
    file = Path(line.rpartition("The traceback is in ")[2].rstrip("."))
    assert "Traceback (most recent call last)" in file.read_text()
