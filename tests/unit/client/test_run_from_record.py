"""`Run` on records: live, ended, failed, pruned, and not written yet."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from shelf import Shelf, log, write

from pulumi_training.client.find import RunNotFound
from pulumi_training.client.run import Run
from pulumi_training.client.run_files import FileNotInRun
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.notes import Notes
from pulumi_training.record.record import Record
from pulumi_training.record.retention import prune
from pulumi_training.record.tags import given_still
from pulumi_training.spec.errors import PermanentError, SpecError, TrainingError
from pulumi_training.spec.outcome import Outcome, Reason


class FakeSubmission:
    """A submission that a test ends."""

    def __init__(self, failure: str | None = None, is_over: bool = False) -> None:
        self._failure, self._is_over = failure, is_over

    def is_over(self) -> bool:
        return self._is_over

    def failure(self) -> str | None:
        return self._failure


def points(attempt: Attempt, *values: object, rank: int = 0) -> None:
    write(attempt, f"metrics/rank-{rank}.jsonl", "".join(f"{json.dumps(v)}\n" for v in values).encode())


@pytest.fixture
def ended(shelf: Shelf) -> Attempt:
    attempt = shelf.finished("fit-1a2b3c4d5e")
    write(attempt, "outputs/model.pkl", b"weights")
    write(attempt, "outputs/plots/roc.png", b"png")
    write(attempt, "logs/train.txt", b"own")
    log(attempt, 0, b"epoch 1\nepoch 2\n")
    attempt.write_manifest()
    return attempt


def test_a_run_is_found_by_id_by_beginning_and_in_its_workspace(ended: Attempt, shelf: Shelf) -> None:
    class Workspace:
        ref = {"store": shelf.store.url}

    assert Run.get("fit-1a2b3c4d5e").id == "fit-1a2b3c4d5e"
    assert Run.get("fit-1a").id == "fit-1a2b3c4d5e"
    assert Run.get(Workspace(), "fit").id == "fit-1a2b3c4d5e"
    with pytest.raises(RunNotFound):
        Run.get("nobody")


def test_details_answer_keys_and_attributes(ended: Attempt) -> None:
    details = Run.get("fit").get_details()
    assert details["status"] == details.status == "Completed"
    assert details.runId == "fit-1a2b3c4d5e"
    assert details.target == "cpu"
    assert details.endTimeUtc.endswith("Z")
    assert set(details.logFiles) == {"logs/train.txt", "logs/std/rank-0.log"}
    assert details.properties["attempt"] == "1"
    assert "error" not in details
    with pytest.raises(AttributeError, match="did you mean status"):
        _ = details.statu


def test_a_failed_runs_details_name_who_failed(shelf: Shelf) -> None:
    shelf.failed("fit-1a2b3c4d5e")
    run = Run.get("fit")
    error = run.get_details().error["error"]
    assert (error["code"], error["rank"], error["exitCode"]) == ("ScriptFailed", 1, 3)
    with pytest.raises(PermanentError, match="no label") as caught:
        run.wait_for_completion()
    assert caught.value.reason is Reason.SCRIPT_FAILED
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"


def test_a_canceled_run_is_no_error(shelf: Shelf) -> None:
    attempt = shelf.live("fit-1a2b3c4d5e")
    attempt.update(outcome=Outcome(Reason.CANCELED, "asked for"))
    assert Run.get("fit").wait_for_completion().status == "Canceled"


def test_waiting_shows_the_lines_and_ends_with_the_run(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt = shelf.live("fit-1a2b3c4d5e")
    log(attempt, 0, b"first\n")

    def end() -> None:
        log(attempt, 0, b"first\nsecond\n")
        attempt.update(outcome=Outcome(Reason.COMPLETED))

    ending = threading.Timer(0.3, end)
    ending.start()
    details = Run.get("fit").wait_for_completion(show_output=True)
    ending.join()
    assert details.status == "Completed"
    assert capsys.readouterr().out == "first\nsecond\n"


def test_files_have_the_pages_names(ended: Attempt) -> None:
    assert Run.get("fit").get_file_names() == [
        "logs/std/rank-0.log",
        "logs/train.txt",
        "outputs/model.pkl",
        "outputs/plots/roc.png",
    ]


def test_a_file_goes_to_a_path_a_folder_or_beside_the_caller(ended: Attempt, tmp_path: Path) -> None:
    run = Run.get("fit")
    (tmp_path / "there").mkdir()
    assert run.download_file("outputs/model.pkl", tmp_path / "m.bin").read_bytes() == b"weights"
    assert run.download_file("outputs/model.pkl", str(tmp_path / "there")) == tmp_path / "there" / "model.pkl"
    assert run.download_file("model.pkl", f"{tmp_path}/new/") == tmp_path / "new" / "model.pkl"
    assert run.download_file("./outputs/model.pkl") == Path("model.pkl")
    assert Path("model.pkl").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("outputs/model.pk", "outputs/model.pkl"),
        ("modle.pkl", "outputs/model.pkl"),
        ("outputs/plots", "is a folder of 1 file;"),
        ("nothing-like-it", "it has logs/std/rank-0.log"),
    ],
)
def test_a_missing_file_is_answered_with_near_names(ended: Attempt, name: str, near: str) -> None:
    with pytest.raises(FileNotInRun) as caught:
        Run.get("fit").download_file(name)
    assert near in str(caught.value)


def test_files_come_by_prefix_with_and_without_it(ended: Attempt, tmp_path: Path) -> None:
    run = Run.get("fit")
    assert run.download_files("outputs/", tmp_path) == [
        tmp_path / "outputs/model.pkl",
        tmp_path / "outputs/plots/roc.png",
    ]
    run.download_files("outputs/plots/", tmp_path / "bare", append_prefix=False)
    assert (tmp_path / "bare" / "roc.png").read_bytes() == b"png"
    run.download_files("plots/", tmp_path / "named", ["a.png"])
    assert (tmp_path / "named" / "a.png").exists()
    with pytest.raises(TrainingError, match="2 files"):
        run.download_files("outputs/", tmp_path, ["one"])
    with pytest.raises(FileNotInRun, match="output"):
        run.download_files("output5/", tmp_path)
    assert [p.name for p in run.get_all_logs(tmp_path / "logs-of-it")] == ["rank-0.log", "train.txt"]


def test_metrics_are_one_value_or_all_of_them(ended: Attempt) -> None:
    points(
        ended,
        {"step": 1, "loss": 2.0},
        {"step": 2, "loss": 1.0, "acc": 0.5},
        {"note": "text", "row": {"x": 1}},
    )
    points(ended, {"loss": 9}, rank=1)
    run = Run.get("fit")
    assert run.get_metrics() == {"loss": [2.0, 1.0], "acc": 0.5, "note": "text", "row.x": 1}
    assert run.get_metrics("loss") == {"loss": [2.0, 1.0]}
    assert run.get_metrics("nobody") == {}
    assert run.get_metrics(rank=1) == {"loss": 9}
    assert run.get_metrics("row") == {"row": {"x": 1}}
    points(ended, {"total": 7}, {"step": 1, "total": 9, "loss": 3}, rank=2)
    assert run.get_metrics(rank=2) == {"total": 7, "loss": 3}


def test_tags_are_given_taken_and_kept_in_the_record(ended: Attempt) -> None:
    run = Run.get("fit")
    run.tag("quality", 5)
    run.set_tags({"team": "vision"})
    assert Run.get("fit").get_tags() == {"quality": "5", "team": "vision"}
    run.remove_tags(["quality"])
    assert run.get_details().tags == {"team": "vision"}


def test_tags_of_the_declaration_the_script_and_people(ended: Attempt, shelf: Shelf) -> None:
    record = Record(shelf.store, "fit-1a2b3c4d5e")
    record.update_run(spec={**record.run_document().spec, "tags": {"team": "vision", "kind": "big"}})
    (ended.folder / "metrics").mkdir(exist_ok=True)
    (ended.folder / "metrics" / "tags.json").write_text('{"best": "no", "seen": "yes"}')
    run = Run.get("fit")
    run.set_tags({"best": "yes", "kind": "small"})
    run.remove_tags(["team"])
    given = {"best": "yes", "seen": "yes", "kind": "small"}
    assert run.get_tags() == run.get_details().tags == given
    assert record.run_document().spec["tags"] == {"team": "vision", "kind": "big"}, "what was declared stays"
    prune(record)
    assert run.get_tags() == given
    assert given_still(record.run_document(), {"kind": "big"}) == {"best": "yes", "team": None}


def test_a_run_that_is_amended_counts_as_it_is(ended: Attempt, shelf: Shelf) -> None:
    under_way = FakeSubmission()
    run = Run(Record(shelf.store, "fit-1a2b3c4d5e"), under_way, is_amended=True)  # type: ignore[arg-type]
    assert run.get_status() == "Completed"
    assert "outputs/model.pkl" in run.get_file_names()
    threading.Timer(0.3, lambda: setattr(under_way, "_is_over", True)).start()
    assert run.wait_for_completion()["status"] == "Completed" and under_way.is_over()
    under_way._failure = "the stack is locked"
    assert run.get_status() == "Completed"
    with pytest.raises(
        TrainingError, match="is Completed, and could not be brought up to date: the stack is locked"
    ):
        run.wait_for_completion()
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Completed"


def test_labels_that_can_be_none_are_refused(ended: Attempt) -> None:
    run = Run.get("fit")
    with pytest.raises(SpecError, match=r"write remove_tags\(\['keep'\]\)"):
        run.remove_tags("keep")
    with pytest.raises(SpecError, match="None is no key"):
        run.tag(None)  # type: ignore[arg-type]


def test_a_run_without_a_record_is_told_and_not_waited_for(shelf: Shelf) -> None:
    run = Run(Record(shelf.store, "fit-0000000000"), FakeSubmission(is_over=True))  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="has no record in"):
        run.wait_for_completion()


def test_canceling_an_ended_run_changes_nothing(ended: Attempt) -> None:
    run = Run.get("fit")
    run.cancel()
    assert run.get_status() == "Completed"
    assert run.get_portal_url() is None


def test_a_pruned_run_still_answers(ended: Attempt, shelf: Shelf) -> None:
    prune(Record(shelf.store, "fit-1a2b3c4d5e"))
    run = Run.get("fit-1a2b3c4d5e")
    assert run.get_status() == "Completed"
    assert run.get_details().status == "Completed"
    assert run.get_metrics() == {"accuracy": 0.9611}
    assert run.get_file_names() == []
    with pytest.raises(TrainingError, match="pruned"):
        run.download_file("outputs/model.pkl")


def test_a_run_that_is_being_submitted_has_not_started(shelf: Shelf) -> None:
    run = Run(Record(shelf.store, "fit-0000000000"), FakeSubmission())  # type: ignore[arg-type]
    assert run.get_status() == "NotStarted"
    assert run.get_details().status == "NotStarted"
    assert run.get_file_names() == []
    assert run.get_metrics() == {}


def test_a_refused_submission_says_why(shelf: Shelf) -> None:
    refused = FakeSubmission("no plugin", is_over=True)
    run = Run(Record(shelf.store, "fit-0000000000"), refused)  # type: ignore[arg-type]
    assert run.get_status() == "Failed"
    assert run.get_details().error["error"]["message"] == "no plugin"
    with pytest.raises(TrainingError, match="no plugin"):
        run.wait_for_completion()


def test_an_attempt_from_before_the_submission_does_not_count(ended: Attempt, shelf: Shelf) -> None:
    again = FakeSubmission()
    run = Run(Record(shelf.store, "fit-1a2b3c4d5e"), again, after=1)  # type: ignore[arg-type]
    assert run.get_status() == "NotStarted"
    again._is_over = True
    assert run.get_status() == "Completed"
    again._failure = "no plugin"
    assert run.get_status() == "Failed"


def test_a_failed_run_that_is_not_run_again_answers_for_itself(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-1a2b3c4d5e")
    refused = FakeSubmission("ScriptFailed", is_over=True)
    run = Run(Record(shelf.store, attempt.run_id), refused, after=1)  # type: ignore[arg-type]
    assert run.get_details().error["error"]["code"] == "ScriptFailed"


def test_a_process_outside_of_any_run_has_an_offline_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINING_RUN_ID", raising=False)
    assert Run.get_context().id == "OfflineRun"
    with pytest.raises(RuntimeError, match="no run"):
        Run.get_context(allow_offline=False)


def test_an_attempt_that_is_tried_again_is_not_the_end(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-1a2b3c4d5e")
    attempt.update(notes=Notes.of(will_retry=True))
    assert Run.get("fit").get_status() == "NotStarted"
