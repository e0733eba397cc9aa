"""Reading: every problem at once, each with its path and what to write instead."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_training.spec.errors import Problem, SpecError
from pulumi_training.spec.fields import Identity
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.partition import names_of
from pulumi_training.spec.reading import read_job
from pulumi_training.spec.rules import RULES

COMPUTE = {"target": "local", "workspace": "lab", "store": "./runs", "maxNodes": 2, "slotsPerNode": 2}
GOOD: dict[str, Any] = {"entryScript": "train.py", "compute": COMPUTE}


def problems(**changes: Any) -> dict[str, str]:
    _, found = read_job({**GOOD, **changes})
    assert len({p.path for p in found}) == len(found), found
    return {p.path: p.message for p in found}


def test_a_plain_job_has_no_problem() -> None:
    job, found = read_job(GOOD)
    assert not found
    assert (job.entry_script, job.world_size, job.is_distributed) == ("train.py", 1, False)


@pytest.mark.parametrize("name", ["nodeCount", "processCountPerNode"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 is out of range; write at least 1"),
        (-1, "-1 is out of range; write at least 1"),
        (1.5, "1.5 is not a whole number; write one, as 2"),
        ("two", "'two' is not a whole number; write one, as 2"),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (1e300, "1e+300"),
        ([2], "[2] is not a whole number"),
        ({"a": 1}, "is not a whole number"),
        ("", "'' is not a whole number"),
    ],
)
def test_a_count_that_is_none(name: str, value: Any, words: str) -> None:
    found = problems(**{name: value})
    assert list(found) == [name]
    assert words in found[name]


def test_a_whole_double_and_a_text_of_config_are_counts() -> None:
    job, found = read_job({**GOOD, "nodeCount": 2.0, "processCountPerNode": "2", "distributedBackend": "mpi"})
    assert not found and job.world_size == 4


def test_all_problems_come_at_once() -> None:
    found = problems(
        nodeCount=0,
        distributedBackend="nvlink",
        environment={"pipPackages": ["numpy", 7]},
        entrySript="train.py",
        expect={"accuracy": "good"},
        inputs={"digits": {"mode": "mount"}},
        retries={"maxAttempts": 0, "on": ["bad luck"]},
        tags={"team": ["a"]},
    )
    assert set(found) == {
        "nodeCount",
        "distributedBackend",
        "environment.pipPackages[1]",
        "entrySript",
        "expect.accuracy",
        "inputs.digits.uri",
        "retries.maxAttempts",
        "retries.on[0]",
        "tags.team",
    }
    assert found["entrySript"] == "there is no such property; did you mean entryScript?"
    assert found["inputs.digits.uri"] == "is missing"
    assert found["environment.pipPackages[1]"] == "7 is not a text; write it in quotes"
    for backend in ("mpi", "gloo", "nccl", "tensorflow"):
        assert backend in found["distributedBackend"]


def test_a_key_that_is_no_identifier_is_quoted_in_its_path() -> None:
    assert 'environmentVariables["a b"]' in problems(environmentVariables={"a b": "x"})
    assert 'tags["x.y"]' in problems(tags={"x.y": 1})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("wait", "perhaps", "neither true nor false"),
        ("arguments", "--epochs 5", "is not a list"),
        ("tags", ["a"], "is not a map"),
        ("compute", "cpu", "is not an object"),
        ("shmSize", "two gigabytes", "is not of the form"),
        ("maxRunDurationSeconds", 0, "write more than 0"),
        ("maxRunDurationSeconds", "soon", "not a number"),
        ("metricsRank", -1, "write at least 0"),
        ("onCancel", "explode", "detach"),
        ("rerunFailed", "always", "on_up"),
        ("logOutput", "loud", "progress"),
        ("retries", {"maxAttempts": 1000}, "at most 100"),
    ],
)
def test_other_wrong_values_say_what_to_write(name: str, value: Any, words: str) -> None:
    ((path, message),) = problems(**{name: value}).items()
    assert path.startswith(name) and words in message


def test_a_long_value_is_cut() -> None:
    assert len(problems(nodeCount="x" * 5000)["nodeCount"]) < 200


def test_a_secret_is_not_shown() -> None:
    secret = "hunter2-" + "x" * 100 + "\n\"'"
    found = problems(
        secretEnvironmentVariables=[secret],
        environment={"imageRegistry": {"address": "r", "password": [secret]}},
    )
    assert set(found) >= {"secretEnvironmentVariables", "environment.imageRegistry.password"}
    assert "hunter2" not in str(found)
    _, hidden = read_job({**GOOD, "nodeCount": secret}, hidden={"nodeCount"})
    assert "hunter2" not in str(hidden) and "nodeCount: the secret value is not a whole number" in str(
        hidden[0]
    )


def test_a_null_is_as_left_out() -> None:
    assert not problems(nodeCount=None, environment=None, tags=None)


@pytest.mark.parametrize("name", sorted({to for fields in RULES.values() for to in fields}))
def test_an_unknown_passes_its_rules_over(name: str) -> None:
    """Whatever is wrong beside it, nothing is said that the unknown could mend."""
    from pydantic.alias_generators import to_camel

    wrong = {
        **GOOD,
        "name": "Not A Name",
        "command": "also",
        "nodeCount": 9,
        "processCountPerNode": 9,
        "useGpu": True,
        "workerCount": 3,
        "environment": {"userManaged": True, "pipPackages": ["numpy"]},
        "environmentRef": {"id": "e", "digest": "d", "target": "docker", "location": "l", "spec": {}},
        "environmentVariables": {"RANK": "1"},
        "secretEnvironmentVariables": {"RANK": "1"},
        "inputs": {"a": {"uri": "u", "mode": "upload"}},
        "outputs": {"a": {"uri": "u"}},
        "arguments": ["${data.zzz}"],
        "expect": {"loss": "?"},
        "metricsRank": 1000,
    }
    wire = to_camel(name)
    _, all_found = read_job(wrong)
    _, found = read_job(wrong, unknown={wire})
    silent = {rule for rule, fields in RULES.items() if name in fields}
    said = {p for rule in set(RULES) - silent for p in rule(JobSpec.model_validate(wrong))}
    assert set(found) == said
    kept_back = [p for rule in silent for p in rule(JobSpec.model_validate(wrong))]
    assert len(found) == len(all_found) - len(kept_back)
    assert kept_back


def test_every_problem_is_found_at_once() -> None:
    _, found = read_job({"nodeCount": 0, "wait": "no idea"})
    assert {p.path for p in found} == {"nodeCount", "wait", "entryScript", "compute"}
    assert "entryScript: name the script to run" in str(SpecError(found))


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["${data.x}", "\0", "mpi", ">=1", "\ud800", "last < nan", "1e999", "..", "a" * 300]),
)  # fmt: skip
JSONISH = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WIRE_NAMES = sorted(set.union(*(set(names_of(i)) for i in Identity)))
PARTS = {
    "compute": st.fixed_dictionaries(dict.fromkeys(COMPUTE, JSONISH), optional={"gpusPerNode": JSONISH}),
    "inputs": st.dictionaries(st.text(max_size=5), st.fixed_dictionaries({"uri": SCALARS, "mode": SCALARS})),
    "environment": st.fixed_dictionaries({}, optional={"pipPackages": JSONISH, "imageRegistry": JSONISH}),
    "expect": st.dictionaries(st.text(max_size=5), st.text(max_size=12), max_size=3),
    "arguments": st.lists(st.text(max_size=20) | st.just("${data.b}"), max_size=3),
}
GARBAGE = st.fixed_dictionaries({}, optional={n: PARTS.get(n, JSONISH) | JSONISH for n in WIRE_NAMES})


@settings(max_examples=80, deadline=None)
@given(GARBAGE, st.sets(st.sampled_from(WIRE_NAMES), max_size=3))
def test_garbage_gives_problems_and_never_an_exception(inputs: dict[str, Any], unknown: set[str]) -> None:
    job, found = read_job(inputs, unknown)
    assert isinstance(job, JobSpec)
    for problem in found:
        assert isinstance(problem, Problem) and problem.message
        assert problem.path.partition(".")[0].partition("[")[0]
    if not found and not unknown:
        again, none = read_job(json.loads(job.model_dump_json(by_alias=True)))
        assert again == job and not none


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=12), JSONISH, max_size=5))
def test_names_that_do_not_exist_are_problems(inputs: dict[str, Any]) -> None:
    _, found = read_job(inputs)
    assert found
