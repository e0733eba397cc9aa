"""Worlds to break, and the table of what survived."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world import World

_ROWS: list[tuple[str, bool]] = []


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments are built once for all worlds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def make_world(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    """`make_world(ranks=2, **job)`."""
    for name in [n for n in os.environ if n.startswith(("PULUMI_", "TRAINING_"))]:
        monkeypatch.delenv(name)
    made: list[World] = []

    def make(**job: Any) -> World:
        world = World(tmp_path / f"w{len(made)}", shared_cache, **job)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call" and not report.skipped and Path(__file__).parent in item.path.parents:
        row = item.callspec.id if hasattr(item, "callspec") else item.name.removeprefix("test_")
        _ROWS.append((row.replace("_", " "), report.passed))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _ROWS:
        return
    terminalreporter.section("faults")
    width = max(len(row) for row, _ in _ROWS)
    for row, survived in _ROWS:
        terminalreporter.write_line(f"{row:<{width}}  {'survived' if survived else 'LOST'}")
    terminalreporter.write_line(f"{'total':<{width}}  {sum(s for _, s in _ROWS)}/{len(_ROWS)}")
