"""The suite runs once for each place that is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import namespaces_place  # noqa: F401 - joins the suite
import pytest
import unattended_place  # noqa: F401 - joins the suite
from places import PLACES, Place

from pulumi_training.targets import catalog

for name in catalog.names():
    if (Path(__file__).parent / f"{name}_place.py").exists():
        import_module(f"{name}_place")  # joins the suite


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments and images are made once for the whole suite."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=sorted(PLACES))
def place(
    request: pytest.FixtureRequest, tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A place to run in; nothing of the test is left there afterwards.

    One whose service is missing is skipped with its reason; `TRAINING_REQUIRE=<name>,...` makes it fail.
    """
    service = PLACES[request.param].service or request.param
    required = service in os.environ.get("TRAINING_REQUIRE", "").split(",")
    for name in [n for n in os.environ if n.startswith("TRAINING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(shared_cache))
    found = PLACES[request.param](tmp_path)
    if reason := found.missing():
        if required:
            pytest.fail(reason)
        pytest.skip(reason)
    yield found
    found.close()
    for started in found.started:
        started.until_gone()
