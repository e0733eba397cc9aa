"""A run made under older rules stays what it is until something really changes; then the newest count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from job_plugin import Jobs

from pulumi_training.identity.key import run_key
from pulumi_training.identity.tree import read_tree
from pulumi_training.provider.training_job_check import declared
from pulumi_training.spec.partition import key_fields


def litter(lab: Jobs) -> None:
    lab.source("<xml/>", ".idea/workspace.xml")
    lab.source("old", "train.py~")
    lab.source("m", "mlruns/0/meta.yaml")


def state_of_first_rules(lab: Jobs, **changes: Any) -> dict[str, Any]:
    """The checked inputs as the version before rules 2 made them."""
    digest = changes.get("sourceDigest") or read_tree(lab.folder / "src", rules=1).digest
    inputs = {**lab.inputs(**changes), "sourceDigest": digest}
    return {**inputs, "runKey": run_key(key_fields(declared(inputs, "fit").job))}


def checked(lab: Jobs, olds: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    inputs, problems = lab.check(lab.inputs(**changes), olds=olds)
    assert not problems, problems
    return inputs


def preview_says(lab: Jobs, olds: Mapping[str, Any], news: Mapping[str, Any]) -> str:
    lab.diff(olds, news)
    said = len(lab.engine.logged)
    lab.create(news, preview=True)
    return "\n".join(request.message for _, request in lab.engine.logged[said:])


def test_a_new_job_is_made_under_the_newest_rules(lab: Jobs) -> None:
    clean = checked(lab)
    assert clean["sourceRules"] == 2
    litter(lab)
    assert checked(lab) == clean


def test_a_state_of_older_rules_is_kept_whole_while_they_give_the_same(lab: Jobs) -> None:
    litter(lab)
    old = state_of_first_rules(lab)
    assert old["sourceDigest"] != checked(lab)["sourceDigest"], "the rules differ on this tree"
    new = checked(lab, old)
    assert new == old and "sourceRules" not in new
    assert lab.diff(old, new) == {}
    again = checked(lab, old, tags={"a": "b"})
    assert "sourceRules" not in again and lab.diff(old, again) == {"tags": "ADD"}


def test_a_real_change_makes_a_run_under_the_newest_rules_and_says_so_once(lab: Jobs) -> None:
    litter(lab)
    old = state_of_first_rules(lab)
    checked(lab, old)  # the files of then are remembered
    lab.source("print('other')\n")
    new = checked(lab, old)
    assert new["sourceRules"] == 2 and new["sourceDigest"] == read_tree(lab.folder / "src").digest
    assert lab.diff(old, new) == {"sourceDigest": "UPDATE_REPLACE"}
    said = preview_says(lab, old, new)
    assert "train.py changed" in said and said.count("rules 2") == 1
    assert "removed" not in said, "nobody removed what only the rules leave out"
    assert ".idea/workspace.xml" in said and "train.py~" in said
    lab.source("print('third')\n")
    third = checked(lab, new)
    assert "rules" not in preview_says(lab, new, third), "it is said once"


def test_a_changed_argument_takes_the_newest_rules_too(lab: Jobs) -> None:
    litter(lab)
    old = state_of_first_rules(lab)
    new = checked(lab, old, arguments=["--a"])
    assert new["sourceRules"] == 2
    assert "arguments" in lab.diff(old, new)


def test_an_editor_opened_on_a_clean_tree_of_older_rules_replaces_nothing(lab: Jobs) -> None:
    old = state_of_first_rules(lab)
    litter(lab)
    new = checked(lab, old)
    assert {**new, "sourceRules": None} == {**old, "sourceRules": None}, (
        "the same digest and key under newer rules"
    )
    assert lab.diff(old, new) == {}
    assert lab.diff(new, old) == {}, "nor does the version before, which leaves the new word out"


def test_a_given_digest_decides_under_any_rules(lab: Jobs) -> None:
    litter(lab)
    old = state_of_first_rules(lab, sourceDigest="sha256:0f3a")
    new = checked(lab, old, sourceDigest="sha256:0f3a")
    assert new == old
    lab.source("print('other')\n")
    assert checked(lab, old, sourceDigest="sha256:0f3a") == old


def test_what_is_unknown_does_not_change_the_rules(lab: Jobs) -> None:
    from pulumi_training.provider.wire import UNKNOWN

    litter(lab)
    old = state_of_first_rules(lab)
    new = checked(lab, old, arguments=["--a", UNKNOWN])
    assert new["runKey"] is UNKNOWN and "sourceRules" not in new


def test_a_tree_that_only_the_newest_rules_take_is_no_problem(lab: Jobs) -> None:
    old = state_of_first_rules(lab)
    (lab.folder / "src/.#train.py").symlink_to("me@host.1:2")
    new = checked(lab, old)
    assert lab.diff(old, new) == {}


def test_a_script_that_only_the_older_rules_take_goes_on_until_it_changes(lab: Jobs) -> None:
    lab.source("print('hello')\n", "wandb/train.py")
    old = state_of_first_rules(lab, entryScript="wandb/train.py")
    assert checked(lab, old, entryScript="wandb/train.py") == old
    lab.source("print('other')\n", "wandb/train.py")
    _, problems = lab.check(lab.inputs(entryScript="wandb/train.py"), olds=old)
    assert "`!wandb/`" in problems["entryScript"]


def test_what_is_attempted_again_runs_in_the_tree_of_its_own_rules(lab: Jobs) -> None:
    litter(lab)
    lab.source("import os, sys\nprint(sorted(os.listdir('.')))\nsys.exit(not os.path.exists('../again'))\n")
    old = state_of_first_rules(lab)
    made = lab.create(old)
    assert made.reasons and lab.record(made.id).run_document().source_rules == 1
    inputs = checked(lab, old)
    (lab.store / "runs" / made.id / "attempts/2").mkdir(parents=True)
    (lab.store / "runs" / made.id / "attempts/2/again").touch()
    again = lab.update(made, old, inputs)
    assert not again.reasons, again.reasons
    assert b".idea" in lab.log(again) and b"mlruns" in lab.log(again) and b"train.py~" in lab.log(again)
    source = json.loads(lab.record(made.id).attempt(2).store.read(f"runs/{made.id}/attempts/2/source.json"))
    assert ".idea/workspace.xml" in source


def test_a_run_of_the_newest_rules_has_no_editors_files_in_its_copy(lab: Jobs) -> None:
    litter(lab)
    lab.source("import os\nprint(sorted(os.listdir('.')))\n")
    made, inputs = lab.train()
    assert inputs["sourceRules"] == 2 and lab.record(made.id).run_document().source_rules == 2
    assert b".idea" not in lab.log(made) and b"mlruns" not in lab.log(made) and b"train.py" in lab.log(made)
    _, imported = lab.read(f"{lab.store}#{made.id}")
    assert imported["sourceRules"] == 2 and imported["runKey"] == inputs["runKey"]


def test_without_a_state_the_record_tells_that_the_run_is_there(lab: Jobs) -> None:
    litter(lab)
    old = state_of_first_rules(lab)
    made = lab.create(old)
    assert not made.reasons
    assert checked(lab) == old, "an update was killed before its state was written, and the package replaced"
    lab.source("print('other')\n")
    assert checked(lab)["sourceRules"] == 2


@pytest.mark.parametrize("version", [3, 2.0])
def test_a_state_of_rules_that_are_not_known_yet_is_compared_under_the_newest(
    lab: Jobs, version: float
) -> None:
    old = {**checked(lab), "sourceRules": version}
    assert lab.diff(old, checked(lab, old)) == {}
