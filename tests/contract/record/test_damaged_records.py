"""Every file of a record, damaged in every way, before every command: one run is named, nothing else is held up."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent))

from damage import SCRIPT, URN, WAYS, Desk, restore, snapshot

from pulumi_training.cli.checks import leftovers
from pulumi_training.cli.main import build
from pulumi_training.client.orphans import survey
from pulumi_training.driver.reproduce import reproduce
from pulumi_training.driver.retain import Retention, removable, remove_records
from pulumi_training.driver.stop import cancel, remove
from pulumi_training.record import workspaces
from pulumi_training.record.retention import prune
from pulumi_training.record.store import Store
from pulumi_training.spec.document import NewerDocument, UnreadableDocument
from pulumi_training.spec.errors import TrainingError

pytestmark = pytest.mark.alone
ESSENTIAL = ("run.json", "attempts/1/attempt.json")
"""Without one of these a run cannot be answered for."""
OTHERS = (
    "attempts/1/manifest.json",
    "attempts/1/source.json",
    "attempts/1/events/000001.jsonl",
    "attempts/1/ranks/0.json",
    "attempts/1/metrics/rank-0.jsonl",
    "attempts/1/launch/launch.json",
    "attempts/1/launch/end.json",
    "attempts/1/launch/run.json",
    "attempts/1/logs/std/rank-0.log",
    "attempts/1/outputs/model.txt",
)
READABLE_DIFFERENTLY = {
    ("attempts/1/events/000001.jsonl", "newer version"),
    ("attempts/1/metrics/rank-0.jsonl", "wrong types"),
    ("attempts/1/logs/std/rank-0.log", "newer version"),
    ("attempts/1/logs/std/rank-0.log", "wrong types"),
    ("attempts/1/outputs/model.txt", "newer version"),
    ("attempts/1/outputs/model.txt", "wrong types"),
    ("attempts/1/events/000001.jsonl", "wrong types"),
}
"""No JSON documents: there is no version or type in them to be wrong."""
EVERY = [
    (file, way) for file in (*ESSENTIAL, *OTHERS) for way in WAYS if (file, way) not in READABLE_DIFFERENTLY
]


@dataclass(frozen=True)
class Lab:
    """A store with one finished run, that is put back before every test."""

    desk: Desk
    pristine: Path
    run_id: str
    checked: dict[str, Any]
    outputs: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.desk.store / "runs" / self.run_id

    @property
    def record(self) -> Any:
        return self.desk.record(self.run_id)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    base = tmp_path_factory.mktemp("damaged")
    (base / "src").mkdir()
    (base / "src" / "train.py").write_text(SCRIPT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINING_STATE_DIR", str(base / "state"))
        patch.setenv("PULUMI_HOME", str(base / "pulumi"))
        patch.setenv("XDG_STATE_HOME", str(base / "xdg"))
        desk = Desk(base)
        checked = desk.check(desk.inputs())
        answer, _ = desk.create(checked)
        pristine = base / "pristine"
        shutil.copytree(desk.store, pristine, symlinks=True)
        yield Lab(desk, pristine, answer.id, checked, dict(answer.outputs))


@pytest.fixture
def lab(made: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    restore(made.pristine, made.desk.store)
    workspaces.remember(str(made.desk.store), "lab", "local")
    return made


def call(*words: str) -> Result:
    """A command; whatever nobody foresaw, and `main` would put into a file, fails the test."""
    result = CliRunner().invoke(build(), list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    assert result.exit_code in (0, 1, 3), result.output
    if result.exit_code:
        assert result.stderr.count("pulumi-training: ") <= 1
    return result


def attempted(work: Any) -> Any:
    """What an operation answers; a failure must be one that says what to do."""
    try:
        return work()
    except TrainingError as error:
        assert error.message
        return None


@pytest.mark.parametrize(("file", "way"), EVERY)
def test_no_command_breaks_on_a_damaged_file(lab: Lab, file: str, way: str) -> None:
    WAYS[way](lab.folder / file)
    before = snapshot(lab.desk.store)
    listed = call("runs", "list")
    as_json = call("runs", "list", "--json")
    for words in (["runs", "show"], ["runs", "show", "--all", "--json"], ["logs"], ["logs", "--rank", "0"]):
        call(*words, lab.run_id)
    call("download", lab.run_id, "--logs")
    call("cancel", lab.run_id, "--yes")
    if file in ESSENTIAL:
        leftovers.runs()
        found = survey(str(lab.desk.store))
        assert not [orphan for orphan in (*found.orphans, *found.unknown) if orphan.run_id == lab.run_id]
    attempted(lambda: removable(Store.open(str(lab.desk.store)), Retention(keep_last=0)))
    assert snapshot(lab.desk.store) == before, "whoever only looks changes nothing"
    if file in ESSENTIAL:
        assert lab.run_id in listed.output
    if file in ESSENTIAL and way != "newer version":
        assert listed.exit_code == 1 and "no runs" not in listed.output
        assert lab.run_id in listed.stderr and "Restore it" in listed.stderr
        assert json.loads(as_json.stdout) == []
    if file not in ESSENTIAL:
        assert listed.exit_code == 0 and "Completed" in listed.stdout


@pytest.mark.parametrize(("file", "way"), EVERY)
def test_destroy_and_refresh_go_on(lab: Lab, file: str, way: str) -> None:
    path = lab.folder / file
    WAYS[way](path)
    damaged = path.read_bytes() if path.is_file() else None
    lab.desk.diff(lab.checked, lab.outputs, lab.run_id)
    read = attempted(lambda: lab.desk.read(lab.checked, lab.outputs, lab.run_id))
    assert file in ESSENTIAL or file == "attempts/1/manifest.json" or read is not None
    attempted(lambda: reproduce(lab.record))
    said = lab.desk.delete(lab.checked, lab.outputs, lab.run_id)
    assert (path.read_bytes() if path.is_file() else None) == damaged or file not in ESSENTIAL
    if file == "attempts/1/attempt.json":
        assert any("attempt.json" in line for line in said), said


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", ["run.json", "attempts/1/attempt.json"])
def test_a_damaged_older_run_in_no_state_blocks_no_preview(lab: Lab, file: str, way: str) -> None:
    WAYS[way](lab.folder / file)
    other = lab.desk.check(lab.desk.inputs(arguments=["--epochs", "3"]))
    answer, said = lab.desk.create(other, preview=True)
    assert answer.id != lab.run_id and any("will run" in line for line in said)


@pytest.mark.parametrize("way", ["wrong JSON", "wrong shape", "newer version", "nested deeply", "a folder"])
def test_a_damaged_list_of_an_owners_runs_is_made_up_from_the_records(lab: Lab, way: str) -> None:
    from pulumi_training.driver.intend import runs_of_owner

    [file] = (lab.desk.store / "owners").iterdir()
    WAYS[way](file)
    assert runs_of_owner(Store.open(str(lab.desk.store)), URN) == [lab.run_id]
    other = lab.desk.check(lab.desk.inputs(arguments=["--epochs", "3"]))
    lab.desk.create(other, preview=True)


@pytest.mark.parametrize("file", ESSENTIAL)
def test_a_record_of_a_newer_version_is_listed_and_never_written(lab: Lab, file: str) -> None:
    WAYS["newer version"](lab.folder / file)
    before = snapshot(lab.folder)
    record = lab.record
    listed = call("runs", "list")
    assert listed.exit_code == 0 and "NewerVersion" in listed.stdout and lab.run_id in listed.stdout
    [line] = json.loads(call("runs", "list", "--json").stdout)
    assert (line["run_id"], line["status"]) == (lab.run_id, "NewerVersion")
    writers = [
        lambda: record.update_run(tags={"a": "b"}),
        lambda: record.attempt(1).update(acknowledged=True),
        lambda: record.attempt(1).update(progress="on"),
        lambda: prune(record),
        lambda: record.start_attempt(_next(record)),
    ]
    for write in writers:
        with pytest.raises(NewerDocument, match="newer version"):
            write()
    attempted(lambda: cancel(record))
    said: list[str] = []
    remove(record, purge=True, compute=lab.checked["compute"], tell=said.append)
    assert any("newer version" in line for line in said)
    assert removable(record.store, Retention(keep_last=0, keep_best=None)) == []
    lab.desk.diff(lab.checked, lab.outputs, lab.run_id)
    attempted(lambda: lab.desk.create(lab.checked))
    after = snapshot(lab.folder)
    assert after == before


def _next(record: Any) -> Any:
    from pulumi_training.record.documents import AttemptDocument

    return AttemptDocument(run_id=record.run_id, attempt=2)


def test_retention_names_a_damaged_record_and_prunes_the_others(lab: Lab) -> None:
    store = Store.open(str(lab.desk.store))
    for number in (1, 2, 3):
        other = f"fit-000000000{number}"
        shutil.copytree(lab.folder, lab.desk.store / "runs" / other)
        for name in ESSENTIAL:
            path = lab.desk.store / "runs" / other / name
            document = json.loads(path.read_bytes())
            path.write_text(json.dumps({**document, "run_id": other, "created_at": 1.0 + number}))
    WAYS["truncated"](lab.desk.store / "runs" / "fit-0000000002" / "attempts/1/attempt.json")
    passed: list[str] = []
    going = removable(store, Retention(keep_last=0), lambda run: passed.append(run.run_id))
    assert passed == ["fit-0000000002"]
    assert set(going) >= {"fit-0000000001"} and "fit-0000000002" not in going
    assert remove_records(store, going) == going


def test_a_document_of_another_run_is_damage(lab: Lab) -> None:
    shutil.copytree(lab.folder, lab.desk.store / "runs" / "fit-9999999999")
    with pytest.raises(UnreadableDocument, match=f"the document of run {lab.run_id}"):
        lab.desk.record("fit-9999999999").run_document()
    assert lab.run_id in call("runs", "list").stdout
