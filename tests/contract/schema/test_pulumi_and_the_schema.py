"""Pulumi itself reads the schema."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from services import missing

import pulumi_training

SCHEMA_FILE = Path(pulumi_training.__file__).with_name("schema.json")


@pytest.mark.engine
@pytest.mark.timeout(120)
def test_pulumi_takes_the_schema(tmp_path: Path) -> None:
    tool = Path(__file__).parents[3] / "tools" / "pulumi"
    found = subprocess.run([str(tool), "where"], capture_output=True, text=True, timeout=30)
    if found.returncode != 0:
        missing("engine", "no pulumi: run tools/pulumi")
    done = subprocess.run(
        [found.stdout.strip(), "schema", "check", str(SCHEMA_FILE)],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PULUMI_HOME": str(tmp_path), "PULUMI_SKIP_UPDATE_CHECK": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "error" not in (done.stdout + done.stderr).lower()
