"""Pulumi's own installer, through its SDK."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import EngineError
from .progress import run_with_progress, say

SKIP = "TRAINING_SKIP_PULUMI_INSTALLER"
ANSWER_SECONDS = 10
INSTALL_SECONDS = 300
PROGRAM = f"""
import socket, sys
socket.setdefaulttimeout({ANSWER_SECONDS})
from pulumi.automation import PulumiCommand
from semver import VersionInfo
try:
    PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
except OSError as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
"""


def install(python: Path | None, root: Path, version: str) -> bool:
    """Install a pulumi into `root`/bin; returns False, after saying why, where that is not possible.

    `python` is a Python with Pulumi's SDK, None where there is none yet.
    """
    if os.environ.get(SKIP) == "1":
        say(f"Pulumi's installer skipped ({SKIP}=1)")
        return False
    if python is None:
        say("Pulumi's installer skipped: it needs Pulumi's SDK, and there is no virtual environment yet")
        return False
    try:
        run_with_progress(
            f"installing pulumi {version} with Pulumi's installer",
            [str(python), "-c", PROGRAM, str(root), version.lstrip("v")],
            limit_seconds=INSTALL_SECONDS,
        )
    except EngineError as error:
        say(f"Pulumi's installer did not work, going on without it: {_last_line(error)}")
        return False
    return True


def _last_line(error: EngineError) -> str:
    return str(error).strip().splitlines()[-1][:300]
