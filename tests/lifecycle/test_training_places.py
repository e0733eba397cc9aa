"""Each way in which Pulumi finds the plugin, and programs of other languages: YAML, whose components are constructed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lab import Lab
from sandbox import CHECKOUT, COMPONENTS

pytestmark = pytest.mark.engine

RESOURCES = """
resources:
  lab:
    type: training:local:Workspace
  cpu:
    type: training:local:ComputeCluster
    properties:
      workspace: ${lab.ref}
      maxNodes: 1
      slotsPerNode: 1
  words:
    type: training:local:Datastore
    properties:
      workspace: ${lab.ref}
      source: ./data
  software:
    type: training:Environment
    properties:
      condaFallback: error
  fit:
    type: training:TrainingJob
    properties:
      compute: ${cpu.ref}
      environmentRef: ${software.ref}
      inputs:
        words: {uri: "${words.uri}", mode: download}
      sourceDirectory: ./src
      entryScript: train.py
      arguments: ["--rate", "0.1", "$${data.words}"]
      expect: {accuracy: ">=0.9"}
outputs:
  status: ${fit.status}
  outputs: ${fit.outputsLocation}
  accuracy: ${fit.metrics["accuracy"]}
"""


def yaml_project(lab: Lab, found: str, *, without_path: bool) -> Lab:
    """A project in YAML that finds the plugin in one way only."""
    if not (lab.sandbox.pulumi.parent / "pulumi-language-yaml").exists():
        pytest.skip("no YAML language host beside pulumi")
    (lab.folder / "Pulumi.yaml").write_text(f"name: places\nruntime: yaml\n{found}{RESOURCES}")
    (lab.folder / "data").mkdir()
    (lab.folder / "data" / "words.txt").write_text("words")
    lab.write("""
        import sys
        assert sys.argv[1:3] == ["--rate", "0.1"], sys.argv
        assert open(sys.argv[3] + "/words.txt").read() == "words"
        report(accuracy=0.95)
    """)
    if not without_path:
        return lab
    folders = lab.sandbox.environment["PATH"].split(":")
    kept = [folder for folder in folders if not Path(folder, "pulumi-resource-training").exists()]
    # The stand-in language host takes Python from an active virtual environment; Pulumi's own needs none.
    environment = {**lab.sandbox.environment, "PATH": ":".join(kept), "VIRTUAL_ENV": sys.prefix}
    return replace(lab, sandbox=replace(lab.sandbox, environment=environment))


def train(lab: Lab) -> None:
    def pulumi(*arguments: str) -> str:
        return lab.sandbox.run(*arguments, cwd=lab.folder).succeeded().stdout

    pulumi("stack", "init", "test")
    pulumi("up", "--yes")
    outputs = json.loads(pulumi("stack", "output", "--json"))
    assert outputs["status"] == "Completed"
    assert float(outputs["accuracy"]) == 0.95
    assert Path(outputs["outputs"]).is_dir()
    assert Path(outputs["outputs"]).is_relative_to(lab.folder)
    assert "6 unchanged" in pulumi("up", "--yes", "--skip-preview")
    pulumi("destroy", "--yes", "--skip-preview")


def test_the_plugin_on_path_constructs_components_for_yaml(lab: Lab) -> None:
    train(yaml_project(lab, "", without_path=False))


@pytest.mark.slow
def test_the_plugin_of_a_provider_path(lab: Lab) -> None:
    train(
        yaml_project(
            lab,
            f"plugins:\n  providers:\n    - {{name: training, path: '{COMPONENTS}'}}\n",
            without_path=True,
        )
    )


@pytest.mark.slow
def test_the_plugin_of_a_package_path(lab: Lab) -> None:
    train(yaml_project(lab, f"packages:\n  training: {COMPONENTS}\n", without_path=True))


def test_the_plugin_in_the_plugin_folder(lab: Lab) -> None:
    elsewhere = yaml_project(lab, "", without_path=True)
    subprocess.run(
        [str(Path(sys.prefix, "bin", "pulumi-training")), "plugin", "install"],
        check=True, env=dict(elsewhere.sandbox.environment), cwd=CHECKOUT,
    )  # fmt: skip
    train(elsewhere)


def test_a_job_is_imported_from_its_record(lab: Lab) -> None:
    lab.write("open('outputs/model.txt', 'w').write('weights'); report(accuracy=0.9)")
    lab.settings = {"script_params": {"--rate": 0.1}, "tags": {"team": "vision"}}
    stack = lab.stack()
    run_id = stack.up().succeeded().result.outputs["run_id"].value
    before = lab.job_state(stack)

    def pulumi(*arguments: str) -> None:
        lab.sandbox.run(*arguments, cwd=lab.folder).succeeded()

    pulumi("state", "delete", "--yes", before["urn"])
    pulumi(
        "import", "--yes", "--generate-code=false", "--skip-preview", "--protect=false",
        "training:index:TrainingJob", "fit", f"./.training/lab#{run_id}",
    )  # fmt: skip
    job = lab.job_state(stack)
    assert job["id"] == run_id
    assert job["outputs"] == before["outputs"]
    for inputs in (job["inputs"], before["inputs"]):
        del inputs["compute"]  # its defaults are left out where it is imported
    assert job["inputs"] == before["inputs"]
    # The program that made it finds nothing to do.
    assert stack.up().succeeded().steps()["fit"] == "same"
    assert len(lab.attempts()) == 1


def test_an_import_of_no_run_says_so(lab: Lab) -> None:
    project = lab.sandbox.project("", name="taker")
    imported = project.run(
        "import",
        "--yes",
        "--generate-code=false",
        "training:index:TrainingJob",
        "fit",
        f"{lab.store}#fit-0123456789",
    )
    assert imported.code != 0
    assert "fit-0123456789" in imported.text
    assert "Traceback" not in imported.text
