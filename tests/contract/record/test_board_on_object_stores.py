"""TensorBoard over a record in an object store: files come bit by bit, and from the store alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tensorboard.summary import Writer

from pulumi_training import Run, Tensorboard
from pulumi_training.client.board_mirror import Mirror
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.outcome import Outcome, Reason

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))

from scalars import eventually, values


def test_a_finished_run_is_shown_on_another_machine(bucket: str, tmp_path: Path) -> None:
    record, attempt, writer = begun(bucket)
    writer.add_scalar("loss", 1.0, 0)
    writer.close()
    attempt.sync_all()
    attempt.update(outcome=Outcome(Reason.COMPLETED))
    shutil.rmtree(attempt.folder)  # another machine never had it
    with Tensorboard([Run(record)], local_root=tmp_path / "boards") as board:
        assert values(str(board.url), "fit-0000000000/tb", "loss") == [1.0]
    (file,) = (tmp_path / "boards" / "fit-0000000000" / "tb").iterdir()
    assert not file.is_symlink(), "it was brought"


def test_what_is_appended_is_brought_and_nothing_twice(bucket: str, tmp_path: Path) -> None:
    record, attempt, writer = begun(bucket)
    mirror = Mirror(tmp_path / "board", record)
    writer.add_scalar("loss", 1.0, 0)
    writer.flush()
    attempt.sync_logs()
    aside = attempt.folder.with_name("aside")
    attempt.folder.rename(aside)
    mirror.turn()
    (file,) = (tmp_path / "board" / "tb").iterdir()
    first = file.read_bytes()
    with file.open("r+b") as stream:
        stream.write(b"MARK")  # whoever brought it again would take this away
    shutil.rmtree(attempt.folder, ignore_errors=True)
    aside.rename(attempt.folder)
    writer.add_scalar("loss", 0.5, 1)
    writer.flush()
    attempt.sync_logs()
    attempt.folder.rename(aside)

    def has_grown() -> bool:
        mirror.turn()
        return file.stat().st_size > len(first)

    eventually(has_grown, "the rest is brought")
    assert file.read_bytes()[:4] == b"MARK"
    assert file.read_bytes()[4:] == next((aside / "logs" / "tb").iterdir()).read_bytes()[4:]


def begun(bucket: str) -> tuple[Record, Attempt, Writer]:
    store = Store.open(f"{bucket}/lab")
    record = Record(store, "fit-0000000000")
    record.write_run(
        RunDocument("fit-0000000000", "fit", {}, "lab", "v1:ab", {"metricsRank": 0}, "sha256:ab")
    )
    attempt = record.start_attempt(AttemptDocument("fit-0000000000", 1, target="local"))
    assert attempt is not None
    return record, attempt, Writer(str(attempt.folder / "logs" / "tb"))
