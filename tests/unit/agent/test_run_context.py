"""`Run.get_context()` in a script whose Python has nothing of ours."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from pulumi_training.agent.shim.run_context import Run


def inside(folder: Path, rank: int = 0) -> dict[str, str]:
    (folder / "metrics").mkdir(exist_ok=True)
    return {
        "TRAINING_RUN_ID": "fit-1a2b3c4d5e", "RANK": str(rank), "TRAINING_OUTPUT_DIR": str(folder / "outputs"),
        "TRAINING_METRICS": str(folder / "metrics" / f"rank-{rank}.jsonl"),
    }  # fmt: skip


def lines(folder: Path, rank: int = 0) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics" / f"rank-{rank}.jsonl").read_text().splitlines()]


def test_lists_rows_and_tables_are_lines_and_tables_are_files(tmp_path: Path) -> None:
    run = Run(inside(tmp_path))
    run.log_list("list", [1, 2.5])
    run.log_row("row", x=1, y="a")
    run.log_table("table", {"x": [1, 2], "y": [3, 4]})
    run.log("at", 7, step=3)
    assert lines(tmp_path) == [
        {"list": 1}, {"list": 2.5}, {"row": {"x": 1, "y": "a"}},
        {"table": {"x": 1, "y": 3}}, {"table": {"x": 2, "y": 4}}, {"step": 3, "at": 7},
    ]  # fmt: skip
    assert json.loads((tmp_path / "outputs" / "table.json").read_text()) == {"x": [1, 2], "y": [3, 4]}


def test_a_slip_in_what_is_logged_ends_no_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(inside(tmp_path))
    for _ in range(2):
        run.log_table("torn", {"x": [1], "y": [1, 2]})
    run.log_list("one", 5)
    torn = [{"torn": {"x": 1, "y": 1}}, {"torn": {"y": 2}}]
    assert lines(tmp_path) == [*torn, *torn, {"one": 5}]
    said = capsys.readouterr().err
    run.log("total", 7)
    assert "metric 'total' is taken for the run's progress too" in capsys.readouterr().err
    assert said == "table 'torn' its columns are not equally long: x has 1, y has 2\n"


def test_what_a_run_inside_its_script_has_not_is_told_with_what_it_has(tmp_path: Path) -> None:
    run = Run(inside(tmp_path))
    assert run.get_status() == "Running"
    with pytest.raises(AttributeError, match=r"has no 'experiment'; there are .*log_table, .*upload_file"):
        _ = run.experiment
    assert not hasattr(run, "parent") and copy.copy(run).id == run.id


def test_numbers_of_array_libraries_are_numbers(tmp_path: Path) -> None:
    class Scalar:
        def item(self) -> float:
            return 0.25

    class Array:
        def __iter__(self) -> object:
            return iter([Scalar(), Scalar()])

    run = Run(inside(tmp_path))
    run.log("s", Scalar())
    run.log_table("t", {"x": Array()})
    assert lines(tmp_path) == [{"s": 0.25}, {"t": {"x": 0.25}}, {"t": {"x": 0.25}}]


def test_nan_and_texts_are_kept_and_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(inside(tmp_path))
    for _ in range(3):
        run.log("loss", float("nan"))
    run.log("note", "hello")
    assert [str(line) for line in lines(tmp_path)] == ["{'loss': nan}"] * 3 + ["{'note': 'hello'}"]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "'loss' is nan" in said[0]


def test_pictures_and_files_go_to_outputs_and_other_ranks_beside_them(tmp_path: Path) -> None:
    class Plot:
        def savefig(self, place: str) -> None:
            Path(place).write_bytes(b"drawn")

    (tmp_path / "roc.png").write_bytes(b"png")
    for rank in (0, 1):
        run = Run(inside(tmp_path, rank))
        run.log_image("ROC curve", path=str(tmp_path / "roc.png"))
        run.log_image("plots/loss", plot=Plot())
        run.upload_file("outputs/../../model.bin", str(tmp_path / "roc.png"))
        run.upload_folder("all", str(tmp_path / "metrics"))
    found = {
        p.relative_to(tmp_path / "outputs").as_posix()
        for p in (tmp_path / "outputs").rglob("*")
        if p.is_file()
    }
    assert {
        "ROC curve.png",
        "ROC curve-rank-1.png",
        "plots/loss.png",
        "plots/loss-rank-1.png",
        "model.bin",
    } <= found
    with pytest.raises(ValueError, match="one of path and plot"):
        Run(inside(tmp_path)).log_image("x")
    with pytest.raises(ValueError, match="names no file"):
        Run(inside(tmp_path)).upload_file("..", str(tmp_path / "roc.png"))


def test_tags_are_rank_0s(tmp_path: Path) -> None:
    Run(inside(tmp_path, 1)).tag("lost")
    run = Run(inside(tmp_path))
    run.tag("a", 1)
    run.set_tags({"b": "c"})
    assert (
        json.loads((tmp_path / "metrics" / "tags.json").read_text()) == run.get_tags() == {"a": "1", "b": "c"}
    )
