"""A copy of the agent answers when it is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pulumi_training.agent import (
    package,
)


def test_an_installed_copy_answers(tmp_path: Path) -> None:
    main = package.install(tmp_path / "cache")
    assert package.install(tmp_path / "cache") == main and package.source_digest() in str(main)
    assert (main.parent / "training_agent" / "shim" / "sitecustomize.py").exists()
    done = subprocess.run([sys.executable, "-I", "-S", str(main)], capture_output=True, text=True)
    assert done.returncode == 2 and "usage: agent run" in done.stderr
