"""Jobs beside other resources: one after another, sharing slots, an environment, data; and their secrets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pulumi
import pytest
from lab import Lab, reasons, replaced_by, said

import pulumi_training as training
from pulumi_training import local as target

pytestmark = pytest.mark.engine

SECRET_MARK = "4dabf18193072939515e22adb298388d"  # how Pulumi tells a secret from a value
SECRET = "a-token-nobody-may-read-7f3a"


def test_a_job_takes_the_outputs_of_another_one(lab: Lab) -> None:
    lab.write("open('outputs/model.txt', 'w').write('weights')", "first.py")
    lab.write(
        "import sys\nopen('outputs/seen.txt', 'w').write(open(sys.argv[2] + '/model.txt').read())",
        "second.py",
    )

    def program() -> None:
        cluster = lab.cluster_of(target.Workspace("lab"))
        first = lab.job("first", cluster, entry_script="first.py")
        second = lab.job(
            "second", cluster, entry_script="second.py", script_params={"--model": first.outputs_location}
        )
        pulumi.export("seen", second.outputs_location)

    stack = lab.stack(program)
    assert stack.preview().succeeded().steps()["second"] == "create"
    up = stack.up().succeeded()
    assert Path(up.result.outputs["seen"].value, "seen.txt").read_text() == "weights"
    assert stack.preview().succeeded().steps()["second"] == "same"

    (lab.source / "second.py").write_text("raise SystemExit('must not run')")
    lab.write("open('outputs/model.txt', 'w').write('other weights')", "first.py")
    preview = stack.preview().succeeded()
    assert "replace" in preview.steps()["first"]
    assert "replace" in preview.steps()["second"]


def test_two_jobs_on_one_slot_run_one_after_the_other(lab: Lab) -> None:
    lab.write("""
        import time
        os.close(os.open(os.environ["LOCK"], os.O_CREAT | os.O_EXCL))
        time.sleep(2)
        os.remove(os.environ["LOCK"])
    """)
    lab.cluster = {"slots_per_node": 1}
    lab.settings = {"environment_variables": {"LOCK": str(lab.folder / "lock")}}

    def program() -> None:
        cluster = lab.cluster_of(target.Workspace("lab"))
        lab.job("one", cluster)
        lab.job("two", cluster)

    up = lab.stack(program).up().succeeded()
    assert [a["status"] for a in lab.attempts("*")] == ["Completed", "Completed"]
    assert sum(a["queued_at"] is not None for a in lab.attempts("*")) == 1
    assert any("queued" in d.message.lower() for d in up.diagnostics)


def test_jobs_share_an_environment_resource(lab: Lab) -> None:
    lab.write("import sys; print(sys.prefix)")

    def program() -> None:
        cluster = lab.cluster_of(target.Workspace("lab"))
        software = training.Environment("software", pip_packages=["wheel"])
        one = lab.job("one", cluster, environment=software)
        two = lab.job("two", cluster, environment=software)
        pulumi.export("location", software.location)
        pulumi.export("logs", pulumi.Output.all(one.logs_location, two.logs_location))

    stack = lab.stack(program)
    assert stack.preview().succeeded().steps()["two"] == "create"
    outputs = stack.up().succeeded().result.outputs
    for logs in outputs["logs"].value:
        assert Path(logs, "std", "rank-0.log").read_text().strip() == outputs["location"].value
    assert set(stack.up().succeeded().steps().values()) == {"same"}


def test_changed_data_trains_again_unless_it_is_to_be_ignored(lab: Lab) -> None:
    lab.write("import sys; print(open(sys.argv[2] + '/words.txt').read())")
    data = lab.folder / "data"
    data.mkdir()
    (data / "words.txt").write_text("one")

    def program() -> None:
        lab_ = target.Workspace("lab")
        cluster = lab.cluster_of(lab_)
        words = target.Datastore("words", workspace=lab_, source="./data")
        lab.job("strict", cluster, script_params={"--data": words.as_mount()})
        lab.job("lax", cluster, script_params={"--data": words.as_mount(fingerprint="ignored")})

    stack = lab.stack(program)
    stack.up().succeeded()
    assert stack.preview().succeeded().steps()["strict"] == "same"

    (data / "words.txt").write_text("another")
    preview = stack.preview().succeeded()
    assert any(path.startswith("inputs.words") for path in replaced_by(preview, "strict")), said(preview)
    assert preview.steps()["lax"] == "same"
    stack.up().succeeded()
    logs = [path.read_text() for path in lab.store.glob("runs/strict-*/attempts/1/logs/std/rank-0.log")]
    assert sorted(text.strip() for text in logs) == ["another", "one"]
    assert len(lab.attempts("lax-*")) == 1


def test_a_secret_reaches_the_script_and_nothing_else(lab: Lab) -> None:
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    lab.write(f"""
        import hashlib, pathlib, sys
        token = os.environ["TOKEN"]
        assert hashlib.sha256(token.encode()).hexdigest() == "{digest}"
        for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert token.encode() not in process.read_bytes(), process
            except OSError:
                continue
        print("the token is", token)
        report(accuracy=0.5)
        raise RuntimeError("cannot log in with " + token)
    """)
    lab.settings = {"secret_environment_variables": {"TOKEN": SECRET}}
    stack = lab.stack()
    preview, failed = stack.preview(), stack.up()
    assert "RuntimeError: cannot log in with" in reasons(failed)
    places = _holding(SECRET, lab.folder, lab.sandbox.folder / "state", lab.sandbox.folder / "training-state")
    assert not places
    assert SECRET not in said(preview) + said(failed)
    assert SECRET_MARK in lab.job_state(stack)["inputs"]["secretEnvironmentVariables"]

    # A changed secret is no other result: it is neither in the run's key nor named.
    lab.write("print('fine')")
    stack.up().succeeded()
    lab.settings = {"secret_environment_variables": {"TOKEN": SECRET + "-new"}}
    assert "replace" not in stack.preview().succeeded().steps()["fit"]


def _holding(secret: str, *folders: Path) -> list[Path]:
    """The files below the folders whose content holds a secret."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in files if secret.encode() in path.read_bytes()]
