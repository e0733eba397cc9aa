"""TensorBoard's own server over records: what it shows, how it begins, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from scalars import eventually, runs, values
from shelf import Shelf, write
from tensorboard.summary import Writer as EventFile

from pulumi_training import Run, SpecError, Tensorboard, TrainingError, export_to_tensorboard
from pulumi_training.client.find import RunNotFound
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store


class Writer:
    """A script's own event file, by TensorBoard's own writer."""

    def __init__(self, attempt: Attempt, folder: str = "logs") -> None:
        self._writer = EventFile(str(attempt.folder / folder))
        self._step = 0

    def write(self, *losses: float) -> None:
        for loss in losses:
            self._writer.add_scalar("loss", loss, self._step)
            self._step += 1
        self._writer.flush()


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process of a board is left when a test is over, and no folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()
    yield
    eventually(lambda: not boards(), "no process of a board is left")
    assert not list((tmp_path / "scratch").glob("training-board-*"))


def boards() -> list[int]:
    """The processes of boards, and their servers, that descend from this test or lost their parent."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if ("board_process" in words or "tensorboard_data_server" in words) and process.environ().get(
                "PYTEST_CURRENT_TEST", ""
            ).startswith("tests/contract/client/test_board.py"):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def test_a_live_run_grows_and_several_have_readable_names(shelf: Shelf) -> None:
    live, done = shelf.live("fit-0000000000"), shelf.finished("old-1111111111", "old")
    writer = Writer(live)
    Writer(done, "logs/train").write(3.0, 2.0)
    write(done, "metrics/rank-0.jsonl", b'{"step": 0, "accuracy": 0.5}\n{"step": 1, "accuracy": 0.75}\n')
    writer.write(1.0)
    with Tensorboard([Run.get("fit"), "old"]) as board:
        url = board.start()
        assert board.url == url and board.is_running()
        assert set(runs(url)) == {"fit-0000000000", "old-1111111111/train", "old-1111111111/metrics"}
        assert values(url, "old-1111111111/metrics", "accuracy") == [0.5, 0.75]
        writer.write(0.5, 0.25)
        eventually(lambda: values(url, "fit-0000000000", "loss") == [1.0, 0.5, 0.25], "the live run grows")
        with (live.folder / "metrics/rank-0.jsonl").open("w") as stream:
            stream.write('{"accuracy": 0.25}\n{"accuracy": 0.5}\n')
        eventually(
            lambda: values(url, "fit-0000000000/metrics", "accuracy") == [0.25, 0.5], "so do its metrics"
        )
    assert not board.is_running()


def test_runs_of_two_checkouts_are_both_shown_under_one_id(shelf: Shelf, tmp_path: Path) -> None:
    twin = Shelf(Store.open(str(tmp_path / "clone")))
    for each, loss in ((shelf, 1.0), (twin, 2.0)):
        Writer(each.finished("fit-0000000000")).write(loss)
    found = [Run.get("fit-0000000000", store=each.store.url) for each in (shelf, twin)]
    with Tensorboard(found) as board:
        url = board.start()
        assert set(runs(url)) == {"fit-0000000000", "fit-0000000000 (2)"}
        assert values(url, "fit-0000000000", "loss") == [1.0]
        assert values(url, "fit-0000000000 (2)", "loss") == [2.0]


def test_a_retry_that_follows_is_shown_beside_what_it_follows(shelf: Shelf) -> None:
    first = shelf.live("fit-0000000000")
    Writer(first).write(1.0)
    with Tensorboard([Run.get("fit")]) as board:
        url = board.start()
        assert runs(url) == ["fit-0000000000"]
        second = Record(shelf.store, "fit-0000000000").start_attempt(
            AttemptDocument("fit-0000000000", 2, target="local")
        )
        assert second is not None
        Writer(second).write(0.5)
        eventually(lambda: values(url, "fit-0000000000-a2", "loss") == [0.5], "the second attempt is shown")


def test_a_run_may_be_named_before_it_has_written_anything(shelf: Shelf) -> None:
    attempt = shelf.live("fit-0000000000")
    with Tensorboard(Run.get("fit")) as board:
        url = board.start()
        assert runs(url) == []
        Writer(attempt).write(1.0)
        eventually(lambda: values(url, "fit-0000000000", "loss") == [1.0], "the first point is shown")


def test_a_named_folder_is_kept_and_used_again(shelf: Shelf, tmp_path: Path) -> None:
    attempt = shelf.finished("fit-0000000000")
    Writer(attempt).write(1.0)
    write(attempt, "metrics/rank-0.jsonl", b'{"accuracy": 0.5}\n')
    for _ in range(2):
        with Tensorboard(["fit"], local_root="boards", use_display_name=True) as board:
            assert values(str(board.url), "fit/metrics", "accuracy") == [0.5]
    assert len(list((tmp_path / "boards" / "fit" / "metrics").iterdir())) == 1


def test_a_taken_port_is_said_and_without_one_the_next_is_used(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TrainingError, match=f"port {port} is taken"):
            Tensorboard(["fit"], port=port).start()
    with Tensorboard(["fit"]) as first, Tensorboard(["fit"]) as second:
        assert first.url != second.url
        assert runs(str(first.url)) == runs(str(second.url)) == []


def test_starting_twice_is_starting_once_and_stopping_too(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    board = Tensorboard(["fit"])
    url = board.start()
    assert board.start() == url
    assert len([pid for pid in boards() if "board_process" in " ".join(psutil.Process(pid).cmdline())]) == 1
    assert url in board._repr_html_()
    board.stop()
    board.stop()
    assert "not started" in repr(board)
    assert board.start()
    board.stop()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_ends_leaves_no_process(shelf: Shelf, end: signal.Signals) -> None:
    shelf.finished("fit-0000000000")
    program = """
        import sys, time
        from pulumi_training import Tensorboard
        print(Tensorboard(["fit"]).start(), flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().decode().strip()
        assert runs(url) == []
        assert boards()
        parent.send_signal(end)
    eventually(lambda: not boards(), "the board ends with its parent")


def test_a_fork_that_holds_the_pipe_does_not_keep_the_board(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    program = """
        import os, time
        from pulumi_training import Tensorboard
        Tensorboard(["fit"]).start()
        child = os.fork()  # as multiprocessing does
        if child == 0:
            os.close(1)
            time.sleep(600)
        print(child, flush=True)
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, timeout=120
    )
    try:
        eventually(lambda: not boards(), "the board ends with its parent")
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)


def test_an_interrupt_is_not_meant_for_it(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    program = """
        import signal, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
        from pulumi_training import Tensorboard
        board = Tensorboard(["fit"])
        url = board.start()
        try:
            print(url, flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            print(board.is_running(), flush=True)
            time.sleep(1)
            print(board.is_running(), flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        os.killpg(parent.pid, signal.SIGINT)  # as a notebook interrupts its kernel
        assert parent.stdout.read().split() == ["True", "True"]


def test_what_is_no_run_is_refused_with_what_to_give(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    with pytest.raises(SpecError, match=r"Experiment\.submit"):
        Tensorboard([3])  # type: ignore[list-item]
    with pytest.raises(SpecError, match="is empty"):
        Tensorboard([])
    with pytest.raises(RunNotFound, match="nope"):
        Tensorboard(["nope"])
    with pytest.raises(SpecError, match="port"):
        Tensorboard(["fit"], port=70000)
    (Path("file")).write_text("")
    with pytest.raises(TrainingError, match="local_root"):
        Tensorboard(["fit"], local_root="file").start()


def test_without_the_package_it_says_what_to_install(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.finished("fit-0000000000")
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(TrainingError, match=r"pip install 'pulumi-training\[tensorboard\]'"):
        Tensorboard(["fit"]).start()


def test_metrics_are_exported_as_event_files(shelf: Shelf, tmp_path: Path) -> None:
    attempt = shelf.finished("fit-0000000000")
    with pytest.raises(TrainingError, match="no metric"):
        export_to_tensorboard(Run.get("fit"), tmp_path / "exported")
    lines = b'{"step": 7, "accuracy": 0.5}\n{"accuracy": NaN}\n{"step": NaN, "accuracy": 1}\n{"step": 1e300, "accuracy": 2}\n'
    write(attempt, "metrics/rank-0.jsonl", lines)
    folder = export_to_tensorboard(Run.get("fit"), tmp_path / "exported")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload().Tensors("accuracy")
    assert [event.step for event in found] == [7, 1, 2, 3], "a step that TensorBoard cannot take is none"
