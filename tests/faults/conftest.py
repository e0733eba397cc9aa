"""Worlds to break, and the table of what survived."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import depth
import pytest
from services import missing

sys.path += [str(Path(__file__).parents[1] / "lifecycle"), str(Path(__file__).parents[1])]

from sandbox import find_engine
from world import World

_ROWS: list[tuple[str, bool]] = []
_LEFT_OUT: list[str] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what the cut leaves out; a row that is asked for by its name is meant."""
    if depth.is_whole() or any("::" in argument for argument in config.args):
        return
    here = Path(__file__).parent
    rows = {item.nodeid: _kind(item) for item in items if here in item.path.parents}
    chosen = depth.cut(rows.items(), depth.commit_of(here))
    left_out = [item for item in items if item.nodeid in rows and item.nodeid not in chosen]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        _LEFT_OUT.extend(item.nodeid for item in left_out)


def _kind(item: pytest.Item) -> str:
    """What a row shares with those that differ from it in the moment only."""
    mark = item.get_closest_marker("fault")
    return f"{item.nodeid.partition('[')[0]} {mark.args[0]}" if mark else item.nodeid


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments are built once for all worlds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def required_engine() -> None:
    """Skips without a pulumi command line; fails where TRAINING_REQUIRE names `engine`."""
    if find_engine() is None:
        missing("engine", "no pulumi on PATH or in the cache: run tools/pulumi")


@pytest.fixture
def make_world(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    """`make_world(ranks=2, **job)`; `kind` is the class of the world."""
    for name in [n for n in os.environ if n.startswith(("PULUMI_", "TRAINING_"))]:
        if name not in ("TRAINING_REQUIRE", "TRAINING_TEST_IMAGE"):
            monkeypatch.delenv(name)
    made: list[World] = []

    def make(kind: type[World] = World, **job: Any) -> World:
        world = kind(tmp_path / f"w{len(made)}", shared_cache, **job)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system of its own: `small_disk("size=3m")`; again with other options to change it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        flags = f"remount,{options}" if mounted else options
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", flags, "tmpfs", str(place)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counts a row; with several workers every report comes to the process that prints the table."""
    if report.when == "call" and not report.skipped and report.nodeid.startswith("tests/faults/"):
        _, _, name = report.nodeid.rpartition("::")
        row = name.partition("[")[2].removesuffix("]") or name.removeprefix("test_")
        _ROWS.append((row.replace("_", " "), report.passed))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _ROWS:
        return
    terminalreporter.section("faults")
    width = max(len(row) for row, _ in _ROWS)
    for row, survived in _ROWS:
        terminalreporter.write_line(f"{row:<{width}}  {'survived' if survived else 'LOST'}")
    terminalreporter.write_line(f"{'total':<{width}}  {sum(s for _, s in _ROWS)}/{len(_ROWS)}")
    if _LEFT_OUT:
        terminalreporter.write_line(f"{len(_LEFT_OUT)} more rows with {depth.VARIABLE}=whole")
