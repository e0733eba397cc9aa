"""The walk-through of the Estimator's page, as a program and as a notebook, executed as it stands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Lab
from sandbox import CHECKOUT

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.mpi, pytest.mark.timeout(900)]

EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture
def page(lab: Lab) -> Path:
    """The example in a copy of the checkout's folders, as far as it reaches."""
    checkout = lab.sandbox.folder / "checkout"
    example = checkout / "examples" / "estimator-page"
    left_out = shutil.ignore_patterns(".training", ".pulumi", "downloaded", "Pulumi.*.yaml")
    shutil.copytree(CHECKOUT / "examples" / "estimator-page", example, ignore=left_out)
    shutil.copytree(CHECKOUT / "stacks" / "quickstart" / "data", checkout / "stacks" / "quickstart" / "data")
    (checkout / "components").symlink_to(CHECKOUT / "components")
    (checkout / ".venv").symlink_to(sys.prefix)
    return example


def test_the_page_as_a_program(lab: Lab, page: Path) -> None:
    lab.sandbox.run("stack", "init", "test", cwd=page).succeeded()
    lab.sandbox.run("up", "--yes", "--skip-preview", cwd=page).succeeded()
    outputs = json.loads(lab.sandbox.run("stack", "output", "--json", cwd=page).succeeded().stdout)
    assert outputs["status"] == "Completed"
    assert outputs["metrics"]["accuracy"] > 0.9
    assert outputs["files"] == ["outputs/digits_model.pkl"]
    assert 3.1 < outputs["pi"]["pi"] < 3.2


def test_the_page_as_a_notebook(lab: Lab, page: Path) -> None:
    venv = lab.sandbox.folder / "notebook-venv"
    python = venv / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(venv)], check=True, timeout=120)
    subprocess.run(
        [*uv, "pip", "install", "-q", "--python", str(python), "-e", f"{CHECKOUT}[tensorboard]", "ipykernel", "nbclient"],
        check=True, timeout=600,
    )  # fmt: skip
    executed = lab.sandbox.folder / "executed.ipynb"
    environment = {k: v for k, v in lab.sandbox.environment.items() if not k.startswith("PULUMI_BACKEND")}
    environment |= {"IPYTHONDIR": str(lab.sandbox.folder / "ipython"), "JUPYTER_ALLOW_INSECURE_WRITES": "1"}
    done = subprocess.run(
        [str(python), "-c", EXECUTE, "walk-through.ipynb", str(executed)],
        cwd=page, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = executed.read_text()
    assert "Accuracy is" in said
    assert "nothing changed" in said
    assert "Completed" in said
    assert (page / "downloaded" / "digits_model.pkl").is_file()
    assert "http://localhost:" in said, "TensorBoard's address"
    cells = json.loads(said)["cells"]
    shown = next(cell for cell in cells if "".join(cell.get("source", [])) == "run.show()")
    (view,) = (output for output in shown["outputs"] if "text/html" in output.get("data", {}))
    assert "Completed" in "".join(view["data"]["text/html"]), "the view kept itself up to date"
