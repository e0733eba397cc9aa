"""A team's stack on a cluster of a platform's stack: older, newer and typed forms of its settings are one cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox import Project, Sandbox
from typer.testing import CliRunner

from pulumi_training.cli.main import build

pytestmark = pytest.mark.engine

PLATFORM = """
    import json, os
    import pulumi
    from pulumi_training import local as target

    lab = target.Workspace("lab")
    given = json.loads(os.environ["GIVEN"])
    if "ref" in given:  # what another version exported
        pulumi.export("ref", given["ref"])
    else:
        pulumi.export("ref", target.ComputeCluster("cpu", workspace=lab, max_nodes=2, **given).ref)
"""
TEAM = """
    from types import SimpleNamespace
    import pulumi
    import pulumi_training as training

    platform = pulumi.StackReference("organization/platform/test")
    fit = training.TrainingJob("fit", compute=SimpleNamespace(ref=platform.require_output("ref")),
        source_directory="./src", entry_script="train.py", shm_size="1g")
    pulumi.export("run", fit.run_id)
"""
REF = {
    "target": "local", "workspace": "lab", "store": "./.training/lab", "cluster": "cpu", "maxNodes": 2, "slotsPerNode": 1,
    "gpusPerNode": 0,
}  # fmt: skip
TEXTS = {"memory": "1g", "cpus": "2", "ulimits": "nofile=1024"}
TYPED = {"memory": "1024m", "cpus": 2, "ulimits": [{"name": "nofile", "soft": 1024, "hard": 1024}]}


@pytest.fixture
def team(sandbox: Sandbox) -> Project:
    project = sandbox.project(TEAM, name="team")
    (project.folder / "src").mkdir()
    (project.folder / "src" / "train.py").write_text("print('trained')\n")
    return project


def shown(team: Project) -> str:
    """What a preview says that changes nothing."""
    summary = json.loads(team.preview("--json").succeeded().stdout)["changeSummary"]
    assert set(summary) <= {"same", "read"}, summary
    return team.preview().succeeded().text


def test_settings_of_another_stack_in_every_form(sandbox: Sandbox, team: Project) -> None:
    platform = sandbox.project(PLATFORM, name="platform")

    def export(**given: Any) -> Any:
        platform.up(GIVEN=json.dumps(given)).succeeded()
        return json.loads(platform.run("stack", "output", "ref", "--json").succeeded().stdout)

    assert export(ref={**REF, "settings": TEXTS})["settings"] == TEXTS
    answer = team.up().succeeded()
    for name in ("cpus", "memory", "shmSize", "ulimits"):
        assert f"{name}: not on local; docker uses it" in answer.text
    [record] = (team.folder / ".training" / "lab" / "runs").glob("*/run.json")
    assert json.loads(record.read_text())["spec"]["compute"]["settings"] == TEXTS
    words = ["runs", "show", record.parent.name, "--store", str(record.parents[2])]
    told = CliRunner().invoke(build(), words)
    assert told.exit_code == 0 and "memory: not on local; docker uses it" in told.stdout, told.output

    assert export(memory="1g", cpus="2", ulimits="nofile=1024") == {**REF, "settings": TEXTS}
    shown(team)
    assert export(settings=TYPED) == {**REF, "local": TYPED}
    shown(team)
    assert export(memory="1g", settings=TYPED) == {**REF, "settings": {"memory": "1g"}, "local": TYPED}
    shown(team)
    team.up().succeeded()
    assert export(ref={**REF, "local": {**TYPED, "brandNew": True}, "later": {"a": 1}})
    text = shown(team)
    for path in ("compute.later", "compute.local.brandNew"):
        assert f"{path}: is not known to this version of pulumi-training" in text, text

    export(ref={**REF, "settings": {"memory": "1g"}, "local": {"memory": "2g"}})
    refused = team.preview()
    assert refused.code != 0 and "compute.local.memory: differs from compute.settings.memory" in refused.text
    assert len(list(record.parent.glob("attempts/*"))) == 1, "nothing was trained again"
    assert len(list((team.folder / ".training" / "lab" / "runs").glob("*/run.json"))) == 1
