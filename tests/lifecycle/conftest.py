"""Fixtures for tests on the real engine; `sandbox` is the way in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sandbox import Engine, Sandbox, find_engine, make_sandbox


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The pulumi command line with a Python language host; skips without one, fails where TRAINING_REQUIRE names `engine`."""
    found = find_engine()
    if found is not None:
        return found
    reason = "no pulumi on PATH or in the cache: run tools/pulumi"
    if "engine" in os.environ.get("TRAINING_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def sandbox(tmp_path: Path, engine: Engine) -> Sandbox:
    """A hermetic environment with a fresh file backend and PULUMI_HOME."""
    return make_sandbox(tmp_path, engine)


@pytest.fixture(autouse=True)
def _engine_is_there(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("engine"):
        request.getfixturevalue("engine")
