"""`Run.get_context()` is this run though Azure ML's packages are installed; all else of them is as it is.

What is installed here stands in for them, in their layout: `azureml` is split over several folders by pkgutil, the
context is theirs by `azureml.core.run`, and outside of their service it is of no run.
"""

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
SPLIT = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
CORE = """
from azureml.core.run import Run
from azureml.core.workspace import Workspace
import azureml.core.script_run
"""
RUN = """
class Run:
    def __init__(self, experiment, run_id):
        self.id = run_id
    @classmethod
    def get_context(cls, allow_offline=True, used_for_context_manager=False, **kwargs):
        return _OfflineRun()
    @classmethod
    def add_type_provider(cls, name, provider):
        pass
class _OfflineRun:
    id = "OfflineRun_0"
    def log(self, name, value):
        print("lost", name)
Run.add_type_provider("x", None)
"""
INSTALLED = {
    "core/azureml/__init__.py": SPLIT,
    "core/azureml/core/__init__.py": CORE,
    "core/azureml/core/run.py": RUN,
    "core/azureml/core/workspace.py": "from azureml.core.run import Run\nclass Workspace: pass\n",
    "core/azureml/core/script_run.py": "from azureml.core.run import Run\nclass ScriptRun(Run): pass\n",
    "more/azureml/__init__.py": SPLIT,
    "more/azureml/data/__init__.py": "kind = 'data'\n",
    "more/azureml/mlflow/__init__.py": "kind = 'mlflow'\n",
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / "installed"
    for name, text in INSTALLED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def python(
    words: list[str], folder: Path, installed: Path, *, is_first: bool = False
) -> subprocess.CompletedProcess[str]:
    (folder / "metrics").mkdir(exist_ok=True)
    packages = [str(installed / name) for name in ("core", "more")]
    path = [*packages, str(SHIM)] if is_first else [str(SHIM), *packages]
    environment = {
        "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1",
        "TRAINING_RUN_ID": "fit-1a2b3c4d5e", "AZUREML_RUN_ID": "fit-1a2b3c4d5e", "RANK": "0",
        "TRAINING_OUTPUT_DIR": str(folder / "outputs"), "TRAINING_METRICS": str(folder / "metrics/rank-0.jsonl"),
    }  # fmt: skip
    return subprocess.run(
        [str(BARE), *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


REPORT = """
run = Run.get_context()
run.log("loss", 0.5)
run.tag("kind", "small")
open("model.bin", "w").write("m")
run.upload_file("outputs/model.bin", "model.bin")
run.complete()
print(run.id)
"""


def arrived(folder: Path) -> bool:
    metrics = [json.loads(line) for line in (folder / "metrics/rank-0.jsonl").read_text().splitlines()]
    tags = json.loads((folder / "metrics/tags.json").read_text())
    return (metrics, tags, (folder / "outputs/model.bin").read_text()) == (
        [{"loss": 0.5}],
        {"kind": "small"},
        "m",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "from azureml.core import Run",
        "from azureml.core.run import Run",
        "import azureml.core\nRun = azureml.core.Run",
        "import azureml.core.run as r\nRun = r.Run",
        "from azureml.core import Workspace, Run",
        "from azureml.core.script_run import ScriptRun as Run",
        "import importlib\nRun = importlib.import_module('azureml.core').Run",
        "import sys\nsys.path.insert(0, sys.path.pop())\nfrom azureml.core import Run",
        "import azureml.mlflow, azureml.data\nfrom azureml.core import Run",
    ],
)
@pytest.mark.parametrize("is_first", [False, True], ids=["shim first", "packages first"])
def test_what_a_script_reports_arrives(
    statement: str, is_first: bool, tmp_path: Path, installed: Path
) -> None:
    done = python(["-c", statement + REPORT], tmp_path, installed, is_first=is_first)
    assert (done.returncode, done.stdout) == (0, "fit-1a2b3c4d5e\n"), done.stderr
    assert arrived(tmp_path)


def test_as_a_module_and_in_a_process_of_its_own(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    (tmp_path / "package/inner.py").write_text("from azureml.core import Run" + REPORT)
    (tmp_path / "package/train.py").write_text(
        "import subprocess, sys\nsys.exit(subprocess.call([sys.executable, '-m', 'package.inner']))\n"
    )
    done = python(["-m", "package.train"], tmp_path, installed)
    assert (done.returncode, done.stdout) == (0, "fit-1a2b3c4d5e\n"), done.stderr
    assert arrived(tmp_path)


def test_all_else_of_the_packages_is_as_it_is(tmp_path: Path, installed: Path) -> None:
    text = """
        import azureml.core, azureml.data, azureml.mlflow, inspect
        from azureml.core import Workspace, Run
        assert azureml.data.kind == "data" and azureml.mlflow.kind == "mlflow"
        assert Workspace.__module__ == "azureml.core.workspace"
        assert azureml.core.__file__.endswith("core/__init__.py") and "add_type_provider" in inspect.getsource(azureml.core.run)
        assert Run(None, "other").id == "other"
        assert issubclass(azureml.core.script_run.ScriptRun, Run)
        assert Run.get_context(used_for_context_manager=True).id == "fit-1a2b3c4d5e"
        from importlib.resources import files
        assert files("azureml.core").joinpath("run.py").is_file()
    """
    done = python(["-c", textwrap.dedent(text)], tmp_path, installed)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("broken", ["core/azureml/core/__init__.py", "core/azureml/core/run.py"])
def test_a_package_that_cannot_be_imported_is_named_and_costs_no_run(
    broken: str, tmp_path: Path, installed: Path
) -> None:
    (installed / broken).write_text("import pkg_resources_that_are_gone\n")
    done = python(["-c", "from azureml.core import Run" + REPORT], tmp_path, installed)
    assert (done.returncode, done.stdout) == (0, "fit-1a2b3c4d5e\n"), done.stderr
    assert "pkg_resources_that_are_gone" in done.stderr and arrived(tmp_path)
    done = python(["-c", "from azureml.core.nothing import x"], tmp_path, installed)
    assert "No module named 'azureml.core.nothing'" in done.stderr


def test_other_packages_of_the_name_leave_the_run_as_it_is(tmp_path: Path, installed: Path) -> None:
    """`azureml-mlflow` alone: there is an `azureml`, and no core in it."""
    for file in sorted((installed / "core/azureml/core").iterdir()):
        file.unlink()
    (installed / "core/azureml/core").rmdir()
    done = python(["-c", "import azureml.mlflow\nfrom azureml.core import Run" + REPORT], tmp_path, installed)
    assert (done.returncode, done.stdout) == (0, "fit-1a2b3c4d5e\n"), done.stderr
    assert arrived(tmp_path)
