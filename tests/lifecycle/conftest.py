"""Fixtures for tests on the real engine; `sandbox` is the way in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from services import missing

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import browser  # noqa: F401 - a fixture
from desk import desk  # noqa: F401 - a fixture
from lab import Lab, eventually, new_lab
from sandbox import Engine, Sandbox, find_engine, make_sandbox


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The pulumi command line with a Python language host; skips without one, fails where TRAINING_REQUIRE names `engine`."""
    found = find_engine()
    if found is None:
        missing("engine", "no pulumi on PATH or in the cache: run tools/pulumi")
    return found


@pytest.fixture
def sandbox(tmp_path: Path, engine: Engine) -> Sandbox:
    """A hermetic environment with a fresh file backend and PULUMI_HOME."""
    return make_sandbox(tmp_path, engine)


@pytest.fixture(autouse=True)
def _engine_is_there(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("engine"):
        request.getfixturevalue("engine")


@pytest.fixture(scope="session")
def training_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of environments and digests for the whole session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab(sandbox: Sandbox, training_cache: Path) -> Iterator[Lab]:
    """A place for small training jobs; nothing of it may run when the test is over."""
    made = new_lab(sandbox, training_cache)
    yield made
    try:
        eventually(made.is_quiet, "no process of the test is left", seconds=20)
    except AssertionError:
        left = made.left()
        words = [
            f"{process.pid} {process.name()} {process.cmdline()}" for process in left if process.is_running()
        ]
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        pytest.fail("processes were left behind:\n" + "\n".join(words))
