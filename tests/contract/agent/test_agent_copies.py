"""A copy of the agent, and the zipapp of it, answer when they are started."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from pulumi_training.agent import (
    package,
)


def test_an_installed_copy_and_a_zipapp_answer(tmp_path: Path) -> None:
    main = package.install(tmp_path / "cache")
    assert package.install(tmp_path / "cache") == main and package.source_digest() in str(main)
    archive = package.build_zipapp(tmp_path / "agent.pyz")
    first = archive.read_bytes()
    assert package.build_zipapp(archive).read_bytes() == first
    assert "training_agent/shim/sitecustomize.py" in zipfile.ZipFile(archive).namelist()
    for program in (main, archive):
        done = subprocess.run([sys.executable, "-I", "-S", str(program)], capture_output=True, text=True)
        assert done.returncode == 2 and "usage: agent run" in done.stderr
