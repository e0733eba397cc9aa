"""Files that decide an environment count by content wherever they lie, and a run finds what was counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from job_plugin import Jobs

from pulumi_training.environment.mirror import FOLDER

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "{version}"
"""
BACKEND = """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "tiny-{version}-py3-none-any.whl"
    with zipfile.ZipFile(f"{{folder}}/{{name}}", "w") as wheel:
        wheel.writestr("tiny.py", "version = '{version}'")
        wheel.writestr("tiny-{version}.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: {version}\\n")
        wheel.writestr("tiny-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("tiny-{version}.dist-info/RECORD", "")
    return name
"""
USES_IT = "import tiny\nprint('tiny', tiny.version)\n"


def project(folder: Path, version: str = "1.0") -> Path:
    """A package that is built without any other."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PROJECT.format(version=version))
    (folder / "backend.py").write_text(BACKEND.format(version=version))
    return folder


def environment(**given: Any) -> dict[str, Any]:
    return {"environment": given}


def checked(lab: Jobs, olds: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    inputs, problems = lab.check(lab.inputs(**changes), olds=olds)
    assert not problems, problems
    return inputs


def key(lab: Jobs, **changes: Any) -> str:
    return str(checked(lab, **changes)["runKey"])


def said(lab: Jobs, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    lab.diff(old, new)
    before = len(lab.engine.logged)
    lab.create(new, preview=True)
    return "\n".join(request.message for _, request in lab.engine.logged[before:])


def write(lab: Jobs, name: str, text: str) -> Path:
    path = Path(name) if name.startswith("/") else (lab.folder / "src" / name).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_pin_that_changes_in_a_file_by_absolute_path_is_another_run(lab: Jobs, tmp_path: Path) -> None:
    file = write(lab, str(tmp_path / "elsewhere/req.txt"), "numpy==1.26.0\n")
    given = environment(pipRequirementsFile=str(file))
    old = checked(lab, **given)
    assert checked(lab, old, **given) == old
    file.write_text("numpy==1.26.1\n")
    new = checked(lab, old, **given)
    assert new["runKey"] != old["runKey"] and new["sourceDigest"] == old["sourceDigest"]
    assert all(kind.endswith("REPLACE") for kind in lab.diff(old, new).values())
    assert f"{file} changed" in said(lab, old, new)


@pytest.mark.parametrize(
    ("named", "given", "first", "second"),
    [
        ("../req.txt", {"pipRequirementsFile": "../req.txt"}, "numpy==1\n", "numpy==2\n"),
        (
            "../env.yml",
            {"condaDependenciesFile": "../env.yml"},
            "dependencies: [numpy=1]",
            "dependencies: [numpy=2]",
        ),
        ("outputs/req.txt", {"pipRequirementsFile": "outputs/req.txt"}, "numpy==1\n", "numpy==2\n"),
        ("left-out.txt", {"pipRequirementsFile": "left-out.txt"}, "numpy==1\n", "numpy==2\n"),
        ("../one.whl", {"pipPackages": ["../one.whl"]}, "1", "2"),
    ],
    ids=str,
)
def test_a_file_outside_of_the_tree_counts_by_content(
    lab: Jobs, named: str, given: dict[str, Any], first: str, second: str
) -> None:
    lab.source("left-out.txt\n", ".amlignore")
    file = write(lab, named, first)
    old = checked(lab, **environment(**given))
    assert list(old["environmentFiles"]) == [named]
    file.write_text(second)
    new = checked(lab, old, **environment(**given))
    assert new["runKey"] != old["runKey"]
    assert f"{named} changed" in said(lab, old, new)
    file.write_text(first)
    assert checked(lab, new, **environment(**given)) == old


def test_what_such_a_file_includes_counts_too(
    lab: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lab, "../req/req.txt", "-r base.txt\n-c ../limits.txt\n")
    write(lab, "../req/base.txt", "numpy\n")
    write(lab, "../limits.txt", "numpy<2\n")
    files = checked(lab, **environment(pipRequirementsFile="../req/req.txt"))["environmentFiles"]
    assert set(files) == {"../req/req.txt", "../req/base.txt", "../limits.txt"}
    lab.source("", "requirements.txt")
    lab.source("", "environment.yml")
    lab.source("-r ../req/base.txt\n", "requirements.txt")
    files = checked(lab, **environment(pipRequirementsFile="requirements.txt"))["environmentFiles"]
    assert set(files) == {"../req/base.txt"}, "what is in the tree counts with the tree"
    lab.source("dependencies:\n- pip:\n  - -r ../req/base.txt\n", "environment.yml")
    files = checked(lab, **environment(condaDependenciesFile="environment.yml"))["environmentFiles"]
    assert set(files) == {"../req/base.txt"}
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    write(lab, str(tmp_path / "me/req.txt"), "numpy\n")
    files = checked(lab, **environment(pipRequirementsFile="~/req.txt"))["environmentFiles"]
    assert set(files) == {"~/req.txt"}, "the same for whoever it is"


def test_files_in_the_tree_and_plain_packages_change_no_key(lab: Jobs) -> None:
    lab.source("numpy\n", "requirements.txt")
    for given in (
        {"pipRequirementsFile": "requirements.txt"},
        {"pipPackages": ["numpy"]},
        {"pipPackages": []},
    ):
        assert "environmentFiles" not in checked(lab, **environment(**given))


def test_two_checkouts_have_one_key(lab: Jobs, tmp_path: Path) -> None:
    write(lab, "../req.txt", "numpy\n")
    given = environment(pipRequirementsFile="../req.txt")
    here = key(lab, **given)
    other = lab.folder.parent / "program/nested/src"
    other.mkdir(parents=True)
    for name in ("src/train.py", "req.txt"):
        target = other.parent / name
        target.write_bytes((lab.folder / name).read_bytes())
    assert key(lab, sourceDirectory="./nested/src", **given) == here


def test_a_state_of_older_rules_is_not_trained_again_for_the_change_itself(lab: Jobs) -> None:
    from pulumi_training.identity.key import run_key
    from pulumi_training.identity.tree import read_tree
    from pulumi_training.provider.training_job_check import declared
    from pulumi_training.spec.partition import key_fields

    write(lab, "../req.txt", "numpy\n")
    given = lab.inputs(**environment(pipRequirementsFile="../req.txt"))
    given["sourceDigest"] = read_tree(lab.folder / "src", rules=1).digest
    old = {**given, "runKey": run_key(key_fields(declared(given, "fit").job))}
    assert checked(lab, old, **environment(pipRequirementsFile="../req.txt")) == {**old}
    lab.source("print('other')\n")
    new = checked(lab, old, **environment(pipRequirementsFile="../req.txt"))
    assert set(new["environmentFiles"]) == {"../req.txt"}
    assert lab.diff(old, new) == {"sourceDigest": "UPDATE_REPLACE"}
    assert "req.txt" not in said(lab, old, new), "nobody added it"


def test_a_missing_file_is_refused_with_near_names(lab: Jobs) -> None:
    write(lab, "../reqs.txt", "")
    _, problems = lab.check(lab.inputs(**environment(pipRequirementsFile="../req.txt")))
    assert "../req.txt" in problems["environment.pipRequirementsFile"]
    assert "reqs.txt" in problems["environment.pipRequirementsFile"]
    lab.source("-r ../nowhere.txt\n", "requirements.txt")
    _, problems = lab.check(lab.inputs(**environment(pipRequirementsFile="requirements.txt")))
    assert "nowhere.txt" in problems["environment.pipRequirementsFile"]


@pytest.mark.parametrize(
    "given",
    [
        {"pipRequirementsFile": "../req.txt"},
        {"pipRequirementsFile": "{folder}/req.txt"},
        {"pipRequirementsFile": "../src/in-tree.txt"},
        {"pipRequirementsFile": "linked/req.txt"},
        {"pipRequirementsFile": "outputs/req.txt"},
        {"pipPackages": ["../tiny"]},
        {"pipPackages": ["{folder}/tiny"]},
    ],
    ids=str,
)
def test_what_passes_check_is_there_in_the_run(lab: Jobs, given: dict[str, Any]) -> None:
    given = {
        name: [v.format(folder=lab.folder) for v in value]
        if isinstance(value, list)
        else value.format(folder=lab.folder)
        for name, value in given.items()
    }
    project(lab.folder / "tiny")
    write(lab, "../req.txt", "-r more/base.txt\n")
    write(lab, "../more/base.txt", "../tiny\n")
    write(lab, "outputs/req.txt", "../../tiny\n")
    lab.source("../tiny\n", "in-tree.txt")
    lab.source("-r base.txt\n", "deps/req.txt")
    lab.source("../../tiny\n", "deps/base.txt")
    (lab.folder / "src/linked").mkdir()
    (lab.folder / "src/linked/req.txt").symlink_to("../deps/req.txt")
    lab.source(USES_IT)
    checked_inputs = checked(lab, **environment(**given))
    assert not lab.create(checked_inputs, preview=True).reasons
    made = lab.create(checked_inputs)
    assert not made.reasons, made.reasons
    assert b"tiny 1.0" in lab.log(made)


def test_an_edit_after_the_run_was_asked_for_does_not_reach_it(lab: Jobs) -> None:
    """The first attempt fails after it changed the file; the second must be made of what was counted."""
    project(lab.folder / "tiny")
    project(lab.folder / "later", "2.0")
    file = write(lab, "../req.txt", "./tiny\n")
    lab.source(
        f"import os, tiny, pathlib\npathlib.Path({str(file)!r}).write_text('./later\\n')\n"
        "print('tiny', tiny.version)\nassert os.environ['TRAINING_ATTEMPT'] == '2'\n"
    )
    retries = {"maxAttempts": 2, "on": ["script_failed"]}
    inputs, problems = lab.check(lab.inputs(**environment(pipRequirementsFile="../req.txt"), retries=retries))
    assert not problems, problems
    made = lab.create(inputs)
    assert not made.reasons, made.reasons
    assert made.outputs["attempt"] == 2 and b"tiny 1.0" in lab.log(made)
    assert checked(lab, inputs, **environment(pipRequirementsFile="../req.txt"))["runKey"] != inputs["runKey"]


def test_a_file_that_changes_between_check_and_run_starts_nothing(lab: Jobs) -> None:
    file = write(lab, "../req.txt", "")
    inputs = checked(lab, **environment(pipRequirementsFile="../req.txt"))
    file.write_text("# other\n")
    with pytest.raises(grpc.RpcError, match=r"\.\./req\.txt changed after it was checked"):
        lab.create(inputs)
    assert not lab.processes()


def test_what_is_kept_of_it_is_its_owners_alone(lab: Jobs) -> None:
    write(lab, "../req.txt", "--extra-index-url https://me:secret@127.0.0.1:9/simple\n")
    made = lab.create(checked(lab, **environment(pipRequirementsFile="../req.txt")))
    assert not made.reasons, made.reasons
    kept = [p for p in (lab.store / "runs" / made.id / "attempts/1" / FOLDER).rglob("*") if p.is_file()]
    assert any(p.stat().st_mode & 0o777 == 0o600 and "secret" in p.read_text() for p in kept)
    assert not any("secret" in p.read_text() and p.stat().st_mode & 0o077 for p in kept)


def test_a_build_context_outside_of_the_tree_counts(lab: Jobs) -> None:
    pytest.importorskip("docker")
    from job_plugin import COMPUTE

    write(lab, "../context/Dockerfile", "FROM python:3.11-slim\nCOPY a.txt /\n")
    a = write(lab, "../context/a.txt", "1")
    compute = {**COMPUTE, "target": "docker"}
    given = environment(dockerfile="../context/Dockerfile", buildContext="../context")
    old = checked(lab, compute=compute, **given)
    assert set(old["environmentFiles"]) == {"../context/Dockerfile", "../context"}
    a.write_text("2")
    new = checked(lab, old, compute=compute, **given)
    assert new["environmentFiles"]["../context"] != old["environmentFiles"]["../context"]
    write(lab, "../context/other.txt", "not copied")
    assert checked(lab, new, compute=compute, **given) == new
    _, problems = lab.check(lab.inputs(compute=compute, **environment(dockerfile="../no/Dockerfile")))
    assert "../no/Dockerfile" in problems["environment.dockerfile"]
