"""What a descriptor loads."""

from __future__ import annotations

import subprocess
import sys

from pulumi_training.targets import catalog


def test_a_descriptor_loads_nothing_of_its_target() -> None:
    program = (
        "import sys\n"
        "from pulumi_training.targets import catalog\n"
        "before = set(sys.modules)\n"
        "found = [catalog.describe(name) for name in catalog.names()]\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    expected = {f"pulumi_training.targets.{name}" for name in catalog.names()}
    assert set(loaded) == expected | {f"{package}.descriptor" for package in expected}
