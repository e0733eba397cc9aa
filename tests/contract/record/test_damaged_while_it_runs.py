"""A record that is damaged while its run lives: destroy stops what runs, though nothing can be read or written there."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from damage import WAYS, Desk

from pulumi_training.spec.errors import TrainingError

SCRIPT = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


def alive(run_id: str) -> list[int]:
    """The processes of a run, told by their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TRAINING_RUN_ID") == run_id and process.status() != "zombie":
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.1)


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Whatever became of the test, its run's processes are ended."""
    yield
    for folder in (tmp_path / "lab" / "runs").glob("*"):
        for pid in alive(folder.name):
            psutil.Process(pid).kill()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("file", ["attempts/1/attempt.json", "run.json"])
def test_destroy_stops_a_run_whose_record_was_damaged_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(SCRIPT)
    desk = Desk(tmp_path)
    checked = desk.check(desk.inputs(gracePeriodSeconds=1))

    def create() -> None:
        with suppress(
            TrainingError
        ):  # it is told that the record cannot be read, or that the run was stopped
            desk.create(checked)

    thread = threading.Thread(target=create)
    thread.start()
    wait_for(lambda: [*desk.store.glob("runs/*/attempts/1/logs/std/rank-0.log")])
    [folder] = (desk.store / "runs").iterdir()
    wait_for(lambda: b"begun" in (folder / "attempts/1/logs/std/rank-0.log").read_bytes())
    assert alive(folder.name)
    WAYS["wrong JSON"](folder / file)
    said = desk.delete(checked, {"attempt": 1}, folder.name)
    assert any(Path(file).name in line for line in said), said
    wait_for(lambda: not alive(folder.name), 30.0)
    thread.join(60)
    assert not thread.is_alive()
    assert (folder / file).read_bytes() == b"{garbage"
