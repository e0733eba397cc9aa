"""When entry points are read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from pulumi_training.targets import packages


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing that one test installs is known to the next."""
    _forget()
    yield
    _forget()


def test_entry_points_are_read_only_for_a_target_that_is_not_ours() -> None:
    """Reading them looks through every installed package, which nobody who runs on a target of ours waits for."""
    program = f"""
import sys
from pulumi_training.targets import catalog
from pulumi_training.targets.rules import read_job
from pulumi_training.provider.components import component_of
for name in catalog.names():
    catalog.get(name), catalog.package_of(name), component_of(f"training:{{name}}:Workspace")
    compute = {{"target": name, "workspace": "lab", "store": "./runs"}}
    environment = {{"image": "a"}}
    job, problems = read_job({{"entryScript": "train.py", "compute": compute, "environment": environment}})
assert "{packages.__name__}" not in sys.modules
from pulumi_training.spec.errors import SpecError
try:
    catalog.describe("moon")
except SpecError:
    pass
assert "{packages.__name__}" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _forget() -> None:
    packages.find.cache_clear()
    packages._points.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "training_tiny"]:
        del sys.modules[name]
