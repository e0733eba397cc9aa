"""Check of a training job: everything wrong is told by its property, and nothing is started."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from job_plugin import COMPUTE, Jobs

from pulumi_training.provider.wire import UNKNOWN, Secret


@pytest.fixture(autouse=True)
def _nothing_is_started(lab: Jobs) -> Iterator[None]:
    yield
    assert not lab.runs() and not lab.store.exists(), "a Check or a preview started something"
    assert not lab.processes()


def wrong(lab: Jobs, **changes: Any) -> dict[str, str]:
    checked, problems = lab.check(lab.inputs(**changes))
    assert problems
    assert "runKey" not in checked, "inputs that are refused have no key"
    return problems


def one(lab: Jobs, path: str, **changes: Any) -> str:
    problems = wrong(lab, **changes)
    assert list(problems) == [path], problems
    return problems[path]


def test_a_missing_source_directory_names_near_ones(lab: Jobs) -> None:
    message = one(lab, "sourceDirectory", sourceDirectory="./scr")
    assert "does not exist" in message and "src" in message.replace("scr", "")


def test_a_source_directory_that_is_a_file(lab: Jobs) -> None:
    assert "is a file" in one(lab, "sourceDirectory", sourceDirectory="./src/train.py")


def test_a_missing_entry_script_names_near_ones(lab: Jobs) -> None:
    message = one(lab, "entryScript", entryScript="trian.py")
    assert "trian.py does not exist" in message and "Did you mean train.py?" in message


@pytest.mark.parametrize("script", ["../outside.py", "/etc/passwd", "../../x", "src/../../outside.py"])
def test_an_entry_script_outside_the_source_tree(lab: Jobs, script: str) -> None:
    (lab.folder / "outside.py").write_text("")
    assert "outside the source directory" in one(lab, "entryScript", entryScript=script)


def test_an_entry_script_that_is_a_folder_or_left_out(lab: Jobs) -> None:
    lab.source("", "logs/x.py")
    assert "is a folder" in one(lab, "entryScript", entryScript=".")
    assert "left out" in one(lab, "entryScript", entryScript="logs/x.py")


@pytest.mark.parametrize("name", ["nodeCount", "processCountPerNode"])
@pytest.mark.parametrize("count", [0, -1, 1.5, "two", 1e300])
def test_a_count_that_is_none(lab: Jobs, name: str, count: Any) -> None:
    assert "write" in one(lab, name, **{name: count}, distributedBackend="mpi")


def test_mpi_wider_than_the_cluster(lab: Jobs) -> None:
    problems = wrong(lab, distributedBackend="mpi", nodeCount=3, processCountPerNode=5)
    assert problems.keys() == {"nodeCount", "processCountPerNode"}
    assert "cluster 'cpu', which has 2" in problems["nodeCount"]


def test_width_without_a_backend(lab: Jobs) -> None:
    assert "'mpi'" in one(lab, "distributedBackend", nodeCount=2)


def test_both_a_script_and_a_command_or_neither(lab: Jobs) -> None:
    assert "not both" in one(lab, "command", command="python train.py")
    assert "name the script" in one(lab, "entryScript", entryScript=None)


def test_an_unknown_backend(lab: Jobs) -> None:
    message = one(lab, "distributedBackend", distributedBackend="horovod")
    assert all(name in message for name in ("mpi", "gloo", "nccl", "tensorflow"))


def test_shortcuts_beside_a_full_environment(lab: Jobs) -> None:
    ref = {"id": "env-1", "digest": "d", "target": "local", "location": "/x", "spec": {}}
    message = one(lab, "environment", environment={"pipPackages": ["numpy"]}, environmentRef=ref)
    assert "beside a full environment" in message


def test_a_requirement_that_does_not_parse(lab: Jobs) -> None:
    message = one(lab, "environment.pipPackages[1]", environment={"pipPackages": ["numpy", "not a package!"]})
    assert "not a package!" in message
    lab.source("numpy\n=1.0=\n", "requirements.txt")
    message = one(
        lab, "environment.pipRequirementsFile", environment={"pipRequirementsFile": "requirements.txt"}
    )
    assert "=1.0=" in message and "2" in message, "the line is named"
    missing = one(lab, "environment.pipRequirementsFile", environment={"pipRequirementsFile": "req.txt"})
    assert "req.txt" in missing


@pytest.mark.parametrize("uri", ["./nothing", "file:///nowhere/at/all", "memory://nothing"])
def test_a_datastore_that_does_not_exist(lab: Jobs, uri: str) -> None:
    message = one(lab, "inputs.digits.uri", inputs={"digits": {"uri": uri}})
    assert "not exist" in message or "nothing" in message


def test_a_tree_over_its_limit_names_the_five_largest(lab: Jobs) -> None:
    for number in range(7):
        lab.source("x" * 1000 * (number + 1), f"big-{number}.bin")
    message = one(lab, "sourceDirectory", sourceMaxBytes=10_000)
    assert [f"big-{n}.bin" in message for n in range(7)] == [False, False, True, True, True, True, True]
    files = one(lab, "sourceDirectory", sourceMaxFiles=3)
    assert "3" in files


@pytest.mark.parametrize("name", ["my job", "Fit", "🚀 launch", "x" * 200, "a.b", "-"])
def test_a_resource_name_that_cannot_be_a_name(lab: Jobs, name: str) -> None:
    _, problems = lab.check(lab.inputs(), name=name)
    assert list(problems) == ["name"]
    assert "for example" in problems["name"] and "resource's name" in problems["name"]
    assert not lab.check(lab.inputs(name="fit"), name=name)[1]
    _, given = lab.check(lab.inputs(name=name))
    assert list(given) == ["name"] and "resource's name" not in given["name"]


def test_arguments_that_are_no_texts(lab: Jobs) -> None:
    problems = wrong(lab, arguments=["--a", ["b"], None, 1.0, {"c": "d"}])
    assert set(problems) == {f"arguments[{n}]" for n in (1, 2, 3, 4)}


def test_every_problem_comes_at_once(lab: Jobs) -> None:
    problems = wrong(
        lab,
        entryScript="trian.py",
        nodeCount=0,
        environment={"pipPackages": ["!"]},
        expect={"loss": "low"},
        inputs={"d": {"uri": "./nothing"}},
        tgas={"a": "b"},
        compute={**COMPUTE, "target": "moon"},
    )
    assert set(problems) == {
        "entryScript",
        "nodeCount",
        "environment.pipPackages[0]",
        "expect.loss",
        "inputs.d.uri",
        "tgas",
        "compute.target",
    }


def test_a_target_that_is_not_here(lab: Jobs) -> None:
    assert "local" in one(lab, "compute.target", compute={**COMPUTE, "target": "kubernetes"})


def test_secrets_are_in_no_message(lab: Jobs) -> None:
    secret = "hunter2-" + "z" * 80
    problems = wrong(
        lab,
        nodeCount=Secret(secret),
        secretEnvironmentVariables=Secret({"RANK": secret, "A": [secret]}),
        environment={"imageRegistry": {"address": "r", "password": Secret(7)}},
    )
    assert "hunter2" not in str(problems).lower()
    assert {"nodeCount", "secretEnvironmentVariables.A"} <= set(problems)


def test_secrets_come_back_marked_whether_they_came_so_or_not(lab: Jobs) -> None:
    for given in ({"T": "hunter2"}, Secret({"T": "hunter2"}), {"T": Secret("hunter2")}):
        checked = lab.checked(lab.inputs(secretEnvironmentVariables=given))
        assert isinstance(checked["secretEnvironmentVariables"], Secret)
    keys = {
        lab.checked(lab.inputs(secretEnvironmentVariables={"T": value}))["runKey"] for value in ("one", "two")
    }
    assert len(keys) == 1, "a secret is not in the key"


def test_what_is_derived_from_files_is_added(lab: Jobs) -> None:
    given = lab.inputs(tags={"a": "b"})
    checked = lab.checked(given)
    assert {k: v for k, v in checked.items() if k not in ("sourceDigest", "runKey", "sourceRules")} == given
    assert checked["sourceDigest"].startswith("sha256:") and checked["runKey"].startswith("v1:")


def test_check_of_its_own_answer_is_the_same(lab: Jobs) -> None:
    (lab.folder / "data").mkdir()
    (lab.folder / "data" / "a.csv").write_text("1")
    once = lab.checked(
        lab.inputs(inputs={"d": {"uri": "./data"}}, secretEnvironmentVariables={"T": "hunter2"})
    )
    assert once["inputs"]["d"]["fingerprint"]
    assert lab.checked(once) == once
    assert (
        lab.checked(lab.inputs(inputs={"d": {"uri": "./data"}}, secretEnvironmentVariables={"T": "hunter2"}))
        == once
    )


def test_content_decides_and_nothing_else(lab: Jobs) -> None:
    before = lab.checked(lab.inputs())
    script = lab.folder / "src" / "train.py"
    script.touch()
    lab.source("x", "__pycache__/train.pyc")
    lab.source("x", "outputs/model.bin")
    assert lab.checked(lab.inputs()) == before
    lab.source("print('other')\n")
    lab.until(lambda: lab.checked(lab.inputs())["runKey"] != before["runKey"], 10)


def test_a_given_source_digest_wins_as_one_kept_by_ignore_changes_does(lab: Jobs) -> None:
    first = lab.checked(lab.inputs())
    lab.source("print('other')\n")
    kept = {**lab.inputs(), "sourceDigest": first["sourceDigest"]}
    assert lab.checked(kept)["runKey"] == first["runKey"]
    assert lab.checked(lab.inputs(sourceDigest="mine"))["sourceDigest"] == "mine"


def test_an_unknown_makes_the_key_unknown_and_silences_its_rules(lab: Jobs) -> None:
    for name, value in (
        ("nodeCount", UNKNOWN),
        ("arguments", ["--x", UNKNOWN]),
        ("sourceDirectory", UNKNOWN),
        ("compute", {**COMPUTE, "store": UNKNOWN}),
        ("tags", {"a": Secret(UNKNOWN)}),
        ("name", UNKNOWN),
        ("inputs", {"d": {"uri": UNKNOWN}}),
        ("environmentRef", UNKNOWN),
    ):
        checked = lab.checked(lab.inputs(**{name: value}))
        assert checked["runKey"] is UNKNOWN, name
        assert checked["sourceDigest"] is UNKNOWN, name


def test_an_unknown_hides_no_other_problem(lab: Jobs) -> None:
    _, problems = lab.check(lab.inputs(arguments=[UNKNOWN], entryScript="trian.py", nodeCount=0))
    assert set(problems) == {"entryScript", "nodeCount"}


def test_paths_stay_relative(lab: Jobs) -> None:
    checked = lab.checked(lab.inputs())
    assert str(lab.folder) not in str(checked)


# -- preview ------------------------------------------------------------------------------------------------------


def test_create_in_preview_gives_id_and_locations(lab: Jobs) -> None:
    checked = lab.checked(lab.inputs())
    made = lab.create(checked, preview=True)
    assert made.id.startswith("fit-") and made.outputs["runId"] == made.id
    assert made.outputs["outputsLocation"] == str(lab.store / "runs" / made.id / "attempts" / "1" / "outputs")
    assert made.outputs["runKey"] == checked["runKey"] and made.outputs["attempt"] == 1
    assert "will run 1 process on this machine" in lab.said()


def test_create_in_preview_with_an_unknown_key_promises_nothing(lab: Jobs) -> None:
    made = lab.create(lab.checked(lab.inputs(arguments=[UNKNOWN])), preview=True)
    assert made.id == "" and "runId" not in made.outputs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arguments", ["--token", Secret("t0p")]),
        ("command", Secret("x")),
        ("environmentVariables", {"A": Secret("b")}),
    ],
)
def test_a_secret_that_processes_would_show_is_refused(lab: Jobs, name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    if name == "command":
        changes["entryScript"] = None
    assert "secretEnvironmentVariables" in one(lab, name, **changes)
