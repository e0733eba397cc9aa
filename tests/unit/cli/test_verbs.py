from __future__ import annotations

import json
from pathlib import Path

import pytest
from shelf import Shelf, log, write
from typer.testing import CliRunner, Result

from pulumi_training.cli.main import build
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Outcome, Reason


def call(*words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(build(), list(words), input=text)


def test_the_list_is_a_plain_table_when_piped(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    shelf.failed("bad-0000000000", "bad")
    result = call("runs", "list")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].split() == [
        "RUN",
        "JOB",
        "STATUS",
        "REASON",
        "ATTEMPT",
        "STARTED",
        "DURATION",
        "METRICS",
        "WORKSPACE",
        "PROJECT",
        "STACK",
    ]
    assert "Failed" in lines[1] and "ScriptFailed" in lines[1]
    assert "accuracy 0.9611" in lines[2] and "1m 05s" in lines[2]
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout


def test_the_list_as_json_keeps_stdout_clean(shelf: Shelf) -> None:
    for n in range(3):
        shelf.finished(f"fit-000000000{n}")
    result = call("runs", "list", "--json", "--limit", "2")
    assert [line["status"] for line in json.loads(result.stdout)] == ["Completed"] * 2
    assert "1 more" in result.stderr
    assert json.loads(call("runs", "list", "--json", "--status", "failed").stdout) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["runs", "list", "--status", "Sleeping"], 2, "NotStarted"),
        (["runs", "list", "--limit", "-1"], 2, "limit"),
        (["runs", "show", "nope"], 3, "No run 'nope'"),
        (["logs", "nope"], 3, "No run 'nope'"),
        (["download", "nope"], 3, "No run 'nope'"),
        (["cancel", "nope"], 3, "No run 'nope'"),
        (["tensorboard", "fit", "nope"], 3, "No run 'nope'"),
        (["plan", "nope"], 3, "pulumi preview"),
        (["runs", "show", "fit", "--attempt", "9"], 3, "attempt 9"),
        (["logs", "fit", "--attempt", "9"], 3, "attempt 9"),
        (["runs", "show", "fit", "--store", "ftp+nothing://x"], 1, "ftp+nothing"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_errors_are_one_line_with_a_code(shelf: Shelf, words: list[str], code: int, said: str) -> None:
    shelf.finished("fit-0000000000")
    result = call(*words)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_nothing_to_list_says_what_to_do() -> None:
    result = call("runs", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "pulumi up" in result.stderr


def test_a_failed_run_shows_who_failed_first_and_what_to_do(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-0000000000")
    write(attempt, "outputs/model.bin", b"1234")
    attempt.write_manifest()
    attempt.event("ended", "over")
    shown = call("runs", "show", "fit").stdout
    for words in (
        "Failed (ScriptFailed)",
        "rank 1 on node 1",
        "ValueError: no label",
        "Last lines of rank 1",
        "fix the script",
        "model.bin",
        "2 nodes × 1 process, mpi",
        "attempts/1/logs",
    ):
        assert words in shown
    document = json.loads(call("runs", "show", "fit", "--json").stdout)
    assert document["attempt"]["outcome"]["exit_code"] == 3


def test_text_of_others_steers_nothing(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-0000000000")
    attempt.event("note", "\x1b[2J[bold]\x1b]0;title\x07gone\x9b31m\u202eback")
    shown = call("runs", "show", "fit").stdout
    assert "[bold]gone" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


def test_one_rank_is_printed_as_it_is(shelf: Shelf) -> None:
    attempt = shelf.finished("fit-0000000000")
    log(attempt, 0, b"\x1b[31mred\xff\r\nlast")
    assert call("logs", "fit").stdout_bytes == b"\x1b[31mred\xff\r\nlast"
    assert call("logs", "fit", "--tail", "1").stdout_bytes == b"last"


def test_several_ranks_are_told_apart(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-0000000000")
    log(attempt, 0, b"a\n")
    log(attempt, 1, b"b\n")
    assert sorted(call("logs", "fit").stdout.splitlines()) == ["rank 0 | a", "rank 1 | b"]
    assert call("logs", "fit", "--rank", "1").stdout == "b\n"
    assert sorted(call("logs", "fit", "-f").stdout.splitlines()) == ["rank 0 | a", "rank 1 | b"]


def test_empty_logs_say_why(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-0000000000")
    result = call("logs", "fit")
    assert result.exit_code == 0
    assert "ScriptFailed" in result.stderr
    log(attempt, 0, b"a\n")
    assert "there are logs of 0" in call("logs", "fit", "--rank", "7").stderr


def test_an_older_attempt_has_its_own_log(shelf: Shelf) -> None:
    attempt = shelf.finished("fit-0000000000")
    log(attempt, 0, b"old\n")
    record = Record(attempt.store, attempt.run_id)
    second = record.start_attempt(AttemptDocument(record.run_id, 2))
    assert second
    log(second, 0, b"new\n")
    assert call("logs", "fit").stdout == "new\n"
    assert call("logs", "fit", "--attempt", "1").stdout == "old\n"


def test_a_download_lands_in_the_folder_of_its_run(shelf: Shelf, tmp_path: Path) -> None:
    attempt = shelf.finished("fit-0000000000")
    write(attempt, "outputs/model.bin", b"1234")
    attempt.write_manifest()
    result = call("download", "fit")
    assert result.exit_code == 0
    assert "1 file, 4 B" in result.stdout and "1 verified" in result.stdout
    assert (tmp_path / "fit-0000000000/outputs/model.bin").read_bytes() == b"1234"
    missing = call("download", "fit", "--path", "other")
    assert (missing.exit_code, "model.bin" in missing.stderr) == (1, True)


def test_cancel_leaves_an_ended_run_alone(shelf: Shelf) -> None:
    attempt = shelf.finished("fit-0000000000")
    result = call("cancel", "fit")
    assert (result.exit_code, "already ended: Completed" in result.stdout) == (0, True)
    assert not attempt.document().cancel_requested


def test_cancel_stops_with_the_grace_asked_for(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = shelf.live("fit-0000000000")
    asked = []

    def stop(record: Record, *, grace: float | None = None, is_machine_gone: bool = False) -> AttemptDocument:
        asked.append((record.run_id, grace, is_machine_gone))
        return attempt.update(outcome=Outcome(Reason.CANCELED))

    monkeypatch.setattr("pulumi_training.driver.stop.cancel", stop)
    result = call("cancel", "fit", "--grace", "2.5", "--machine-gone")
    assert (result.exit_code, asked) == (0, [("fit-0000000000", 2.5, True)])
    assert "fit-0000000000 attempt 1: Canceled" in result.stdout


def test_an_interrupt_is_quiet(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.live("fit-0000000000")

    def stop(record: Record, **_: object) -> AttemptDocument:
        raise KeyboardInterrupt

    monkeypatch.setattr("pulumi_training.driver.stop.cancel", stop)
    result = call("cancel", "fit")
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr + result.stdout


def test_a_plan_is_printed_to_the_letter(shelf: Shelf, tmp_path: Path) -> None:
    request = {
        "launcher": ["/env/bin/mpirun", "-np", "4"],
        "script": ["<known after preparation>", "-u", "train.py", "it's"],
        "environment": {"TRAINING_RUN_ID": "fit-1", "EMPTY": ""},
        "secret_names": ["TOKEN"],
        "limits": {"run_seconds": None, "grace_seconds": 30.0},
        "cwd": "/run/code",
        "node_count": 2,
        "process_count_per_node": 2,
    }
    plan = {"target": "local", "run_id": "fit-1", "attempt": 1, "request": request, "slots": 4, "gpus": 0}
    folder = tmp_path / "state" / "plans"
    folder.mkdir(parents=True)
    (folder / "fit-1.json").write_text(json.dumps({"urn": "urn::fit", "store": "/s", "plan": plan}))
    shown = call("plan", "fit").stdout
    for words in (
        "/env/bin/mpirun -np 4",
        """<known after preparation> -u train.py 'it'"'"'s'""",
        "TOKEN            [secret]",
        "EMPTY            ''",
        "Grace period  30 s",
        "Run time      none",
    ):
        assert words in shown
    assert json.loads(call("plan", "fit-1", "--json").stdout)["plan"] == plan
    listed = call("plan").stdout.splitlines()[1].split()
    assert (listed[0], listed[1], listed[-2]) == ("fit-1", "fit", "4")


def test_version_and_help_speak() -> None:
    from pulumi_training.version import __version__

    assert call("--version").stdout.strip() == __version__
    shown = call("--help").stdout
    for words in ("runs", "plan", "logs", "download", "cancel", "plugin", "doctor", "3 no such run"):
        assert words in shown


@pytest.mark.parametrize("group", [(), ("runs",), ("plugin",)])
def test_no_description_in_help_is_cut(group: tuple[str, ...]) -> None:
    """In 80 columns, where the names of verbs leave the least room."""
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(build(), [*group, "--help"]).stdout
    verbs = shown.partition("Commands:")[2].partition("Exit codes")[0].splitlines()
    described = [line for line in verbs if line.strip()]
    assert len(described) >= 2
    assert [line for line in described if not line.endswith(".")] == []
    assert "..." not in "".join(described)


def test_an_end_is_told_once_and_by_its_reason(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-0000000000")
    words = "rank 1 on node 1 exited with code 3"
    attempt.event("intent", "attempt 1 of fit-0000000000")
    attempt.event("finalizing", words, reason="ScriptFailed")
    attempt.event("ended", words, reason="ScriptFailed", will_retry=True)
    shown = call("runs", "show", "fit").stdout.partition("Events")[2].partition("Places")[0]
    assert shown.count(words) == 1
    ended = next(line for line in shown.splitlines() if " ended " in line)
    assert "ScriptFailed" in ended and "retried" in ended
    document = json.loads(call("runs", "show", "fit", "--json").stdout)
    assert [event["kind"] for event in document["events"]] == ["intent", "finalizing", "ended"]


def test_a_store_is_relative_to_where_one_stands(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.finished("fit-0000000000")
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "empty"))
    assert "fit-0000000000" in call("runs", "list", "--store", "./lab").stdout
