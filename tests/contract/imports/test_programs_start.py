"""What a program that only declares loads."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "program",
    [
        "import pulumi_training",
        "from pulumi_training import local",
        "import pulumi_training as t; t.TrainingJob; t.Environment; t.SpecError; from pulumi_training import local",
    ],
)
def test_a_program_that_only_declares_starts_fast(program: str) -> None:
    """Nothing heavy is imported: that is what starting fast is made of."""
    code = rf"""
{program}
ours = [m for m in sys.modules if m.startswith('pulumi_training.')]
heavy = [m for m in sys.modules if m.split('.')[0] in
    ('pydantic', 'fsspec', 'psutil', 'filelock', 'pathspec', 'typer', 'rich', 'uv', 'rattler', 'docker', 'yaml')
    and m not in before]
declaring = re.compile(r'pulumi_training\.targets(\.[a-z]+(\.components)?)?')
below = [m for m in ours if not declaring.fullmatch(m) and m.split('.')[1] in
    ('targets', 'environment', 'data', 'record', 'driver', 'provider', 'identity', 'launch', 'cli', 'client')]
assert not heavy, heavy
assert not below, below
"""
    before = "import re, sys, pulumi; before = set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
