"""What flattening arguments loads."""

from __future__ import annotations

import subprocess
import sys


def test_flattening_needs_no_heavy_import() -> None:
    code = "import sys, pulumi_training.spec.arguments; assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
