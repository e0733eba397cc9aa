"""What a script gets of `azureml.core`, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import pulumi_training.agent as agent_package

SHIM = Path(agent_package.__file__).parent / "shim"
BARE = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
"""The interpreter below this virtual environment, which has no package of ours."""


def script(
    text: str, folder: Path, shim: Path = SHIM, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.defpath, "PYTHONPATH": str(shim), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [str(BARE), "-c", textwrap.dedent(text)],
        cwd=folder, env={**kept, **environment}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def inside(folder: Path, rank: int = 0) -> dict[str, str]:
    (folder / "metrics").mkdir(exist_ok=True)
    return {
        "TRAINING_RUN_ID": "fit-1a2b3c4d5e", "RANK": str(rank), "TRAINING_OUTPUT_DIR": str(folder / "outputs"),
        "TRAINING_METRICS": str(folder / "metrics" / f"rank-{rank}.jsonl"),
    }  # fmt: skip


def lines(folder: Path, rank: int = 0) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics" / f"rank-{rank}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "statement",
    ["from azureml.core import Run", "from azureml.core.run import Run", "from pulumi_training import Run"],
)
def test_a_script_of_azure_ml_runs_as_it_stands(statement: str, tmp_path: Path) -> None:
    text = f"{statement}\nrun = Run.get_context()\nrun.log('loss', 0.5)\nprint(run.id)"
    done = script(text, tmp_path, **inside(tmp_path))
    assert (done.returncode, done.stdout) == (0, "fit-1a2b3c4d5e\n"), done.stderr
    assert lines(tmp_path) == [{"loss": 0.5}]


def test_every_name_gives_the_same_run(tmp_path: Path) -> None:
    text = """
        import azureml.core, azureml.core.run, pulumi_training
        assert azureml.core.Run is azureml.core.run.Run is pulumi_training.Run
    """
    assert script(text, tmp_path).stderr == ""


def test_what_is_installed_wins(tmp_path: Path) -> None:
    installed = tmp_path / "site"
    (installed / "pulumi_training").mkdir(parents=True)
    (installed / "pulumi_training" / "__init__.py").write_text("Run = 'installed'")
    (installed / "azureml" / "core").mkdir(parents=True)
    (installed / "azureml" / "core" / "__init__.py").write_text("Run = 'theirs'")
    text = "import pulumi_training, azureml.core; print(pulumi_training.Run, azureml.core.Run)"
    done = script(text, tmp_path, PYTHONPATH=f"{SHIM}{os.pathsep}{installed}")
    assert done.stdout == "installed theirs\n", done.stderr


def test_a_part_of_azureml_that_is_installed_stays_beside_it(tmp_path: Path) -> None:
    (tmp_path / "azureml" / "other").mkdir(parents=True)
    (tmp_path / "azureml" / "other" / "__init__.py").write_text("")
    text = "import azureml.other; from azureml.core import Run; print(Run.get_context().id)"
    assert script(text, tmp_path).stdout == "OfflineRun\n"


def test_outside_of_a_run_it_prints(tmp_path: Path) -> None:
    text = """
        from azureml.core import Run
        run = Run.get_context()
        run.log("loss", 0.5)
        run.log_list("l", [1, 2])
        run.log_table("t", {"x": [1], "y": ["a"]})
        run.log_image("p", path="nowhere.png")
        run.tag("a", "b")
        try:
            Run.get_context(allow_offline=False)
        except RuntimeError as error:
            print(error)
    """
    done = script(text, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == '{"loss": 0.5}'
    assert "belongs to no run" in done.stdout
    assert list(tmp_path.iterdir()) == []
