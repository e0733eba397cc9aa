"""What a program marks secret is on no screen, in no file and in no state, on the real engine."""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sandbox import Project, Sandbox

pytestmark = pytest.mark.engine

HEAD = """
    import os
    import pulumi
    import pulumi_training as training
    from pulumi_training import local as target

    def S(name):
        return pulumi.Output.secret(os.environ[name])

    lab = target.Workspace("lab")
    cpu = target.ComputeCluster("cpu", workspace=lab)

    def J(name, compute=cpu, **more):
        more = {"entry_script": "train.py", **more}
        if more.get("command"):
            del more["entry_script"]
        return training.TrainingJob(name, compute=compute, source_directory="./src", **more)
"""


def program(sandbox: Sandbox, text: str, name: str, script: str = "print('trained')") -> Project:
    project = sandbox.project("", name=name)
    (project.folder / "src").mkdir()
    (project.folder / "src" / "train.py").write_text(script)
    project.write(HEAD + text)
    return project


def files_that_hold(folder: Path, text: str) -> Iterator[str]:
    """The files below a folder in which a text stands."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink() and text.encode() in file.read_bytes():
            yield str(file.relative_to(folder))


REFUSED = """
    training.TrainingJob("together", arguments=["--pw", S("A")], command=S("A"), entry_script=S("A"), node_count=S("A"),
        environment_variables={"PW": S("A")}, distributed_backend=S("A"), source_directory=S("A"),
        inputs={"d": {"uri": "./d", "mode": S("A")}}, secret_environment_variables={"not a name": S("A")},
        compute={"target": "local", "workspace": "lab", "store": "./s", "maxNodes": S("A"), "settings": S("A")})
"""


def test_no_refusal_shows_a_secret(sandbox: Sandbox) -> None:
    project = program(sandbox, REFUSED, "refused")
    secret = "tr0ub4dor-and-3"
    for answer in (project.preview(A=secret), project.preview("--json", A=secret), project.up(A=secret)):
        assert answer.code != 0 and secret not in answer.text
        assert "value {" not in answer.text and "<nil>" not in answer.text and "&{" not in answer.text
        for path in ("arguments", "command", "entryScript", "environmentVariables"):
            assert f"'together' has a problem: {path}: holds a secret" in answer.text, answer.text
        for path in (
            "nodeCount",
            "inputs.d.mode",
            "distributedBackend",
            "compute.maxNodes",
            "compute.settings",
        ):
            assert f"'together' has a problem: {path}: the secret value is not" in answer.text, answer.text
    assert list(files_that_hold(sandbox.folder, secret)) == []


COMPUTE = """
    plain = {"target": "local", "workspace": "lab", "store": "./.training/lab", "cluster": "cpu"}
    url = "tcp://ann:" + os.environ["B"] + "@h:1"
    fit = J("fit", compute={**plain, "local": {"token": S("A"), "note": "plain-note", "url": url}})
    own = {"settings": {"memory": "1g"}, "local": {"token": os.environ["A"], "cpus": 1}}
    whole = J("whole", compute=pulumi.Output.secret({**plain, **own}))
    dear = target.ComputeCluster("dear", workspace=lab, price_per_node_hour=pulumi.Output.secret(1234.5))
    priced = J("priced", compute=dear)
    pulumi.export("location", fit.outputs_location)
    pulumi.export("cost", priced.cost)
"""


def test_a_secret_setting_of_a_cluster_is_in_no_file(sandbox: Sandbox) -> None:
    project = program(sandbox, COMPUTE, "compute")
    secrets = {"A": "kubeconfig-t0ken", "B": "pa55word"}
    for answer in (project.preview(**secrets), project.up(**secrets)):
        answer.succeeded()
        assert not any(secret in answer.text for secret in secrets.values())
    found = {secret: list(files_that_hold(sandbox.folder, secret)) for secret in secrets.values()}
    assert found == {secret: [] for secret in secrets.values()}
    runs = {
        path.parent.name: json.loads(path.read_text())
        for path in project.folder.glob(".training/lab/runs/*/run.json")
    }
    kept = {name.rpartition("-")[0]: run["spec"]["compute"] for name, run in runs.items()}
    assert kept["fit"]["local"]["note"] == "plain-note" and kept["fit"]["store"] == "./.training/lab"
    assert kept["whole"]["target"] == "local" and kept["whole"]["workspace"] == "lab"
    assert kept["whole"]["settings"] == {"memory": "1g"} and kept["whole"]["local"]["cpus"] == 1
    assert kept["priced"]["pricePerNodeHour"] is None
    again = project.preview("--json", **secrets).succeeded()
    assert json.loads(again.stdout)["changeSummary"] == {"same": 7}
    project.destroy(**secrets).succeeded()


PLACES = """
    data = target.Datastore("data", workspace=lab, source=S("A"))
    far = target.Workspace("far", store=S("B"), tracking_uri=S("C"))
    cluster = target.ComputeCluster("cluster", workspace=far, max_nodes=pulumi.Output.secret(3))
    pulumi.export("uri", data.uri)
    pulumi.export("ref", cluster.ref)
    pulumi.export("store", far.store)
    J("fit", inputs=[data.path("below").as_download()])
"""


def test_components_keep_the_mark_of_a_secret(sandbox: Sandbox) -> None:
    project = program(sandbox, PLACES, "places")
    data = project.folder / "s3cret-data"
    (data / "below").mkdir(parents=True)
    (data / "below" / "x.txt").write_text("x")
    secrets = {"A": "./s3cret-data", "B": "memory://s3cret-store", "C": "http://s3cret-host:5000"}
    project.up(**secrets).succeeded()
    exported = json.loads(project.run("stack", "export").succeeded().stdout)
    assert "s3cret" not in json.dumps(exported)
    by_name = {r["urn"].rpartition("::")[2]: r for r in exported["deployment"]["resources"]}
    assert "ciphertext" in by_name["data"]["outputs"]["uri"]
    assert "ciphertext" in by_name["far"]["outputs"]["store"]
    ref = by_name["far"]["outputs"]["ref"]
    assert "ciphertext" in ref["store"] and ref["workspace"] == "far"
    project.destroy(**secrets).succeeded()


WRITTEN = """
    import base64, json, os, sys
    from urllib.parse import quote
    token, pin, key = os.environ["TOKEN"], os.environ["PIN"], os.environ["KEY"]
    print(json.dumps({"token": token}), repr(token), quote(token, safe=""))
    print("Authorization: Basic", base64.b64encode(f"me:{token}".encode()).decode())
    print("pin", pin, f"pin='{pin}'")
    for line in key.splitlines():
        print("line", line, flush=True)
    raise ValueError(f"cannot log in with {token!r}, {pin} and {key!r}")
"""
FAILING = """
    names = ("TOKEN", "PIN", "KEY")
    J("fit", secret_environment_variables={name: pulumi.Output.secret(os.environ["X_" + name]) for name in names})
"""


def test_a_failure_tells_no_secret_in_any_form(sandbox: Sandbox) -> None:
    project = program(sandbox, FAILING, "failing", script=textwrap.dedent(WRITTEN))
    token, pin, key = 'hunt"er2/ö&', "q7", "first half of it\nMIIEvQIBADANBgkq+hk\n"
    answer = project.up(X_TOKEN=token, X_PIN=pin, X_KEY=key)
    assert answer.code != 0 and "ValueError: cannot log in with" in answer.text
    state = project.run("stack", "export").succeeded().stdout
    forms = [
        *(
            token,
            json.dumps(token)[1:-1],
            repr(token)[1:-1],
            quote(token, safe=""),
            *key.splitlines(),
            repr(key)[1:-1],
        ),
        base64.b64encode(f"me:{token}".encode()).decode()[4:-4],
    ]
    log = next(project.folder.glob(".training/lab/runs/*/attempts/1/logs/std/rank-0.log")).read_text()
    assert log.count("[secret]") >= 10
    for place in (answer.text, state, log):
        assert not any(form in place for form in forms)
        assert f"pin {pin}" not in place and f"'{pin}'" not in place
    assert not any(list(files_that_hold(project.folder / ".training", form)) for form in forms)
    assert project.destroy(X_TOKEN=token, X_PIN=pin, X_KEY=key).succeeded()
