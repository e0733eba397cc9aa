"""A submission from a notebook keeps a run of older rules as a program does: it is that run, and none other."""

from __future__ import annotations

from typing import Any

from job_plugin import COMPUTE, Jobs

from pulumi_training.client.submission_check import Checked, checked
from pulumi_training.identity.key import run_id, run_key
from pulumi_training.identity.tree import read_tree
from pulumi_training.record.documents import RunDocument
from pulumi_training.spec.partition import key_fields


def submitted(lab: Jobs, **changes: Any) -> Checked:
    given = {"source_directory": "./src", "entry_script": "train.py", "compute": COMPUTE, **changes}
    return checked(given, "fit", "digits", lab.folder)


def record_of_first_rules(lab: Jobs) -> Checked:
    """What a version before rules 2 would submit, with its record."""
    now = submitted(lab, source_digest=read_tree(lab.folder / "src", rules=1).digest)
    fields = key_fields(now.job)
    document = RunDocument(now.record.run_id, name="fit", run_key=run_key(fields))
    assert now.record.run_id == run_id("fit", document.run_key, now.urn, "lab")
    now.record.write_run(document)
    return now


def test_an_unchanged_job_is_the_run_that_older_rules_made(lab: Jobs) -> None:
    lab.source("<xml/>", ".idea/workspace.xml")
    old = record_of_first_rules(lab)
    again = submitted(lab)
    assert (again.record.run_id, again.stack, again.urn) == (old.record.run_id, old.stack, old.urn)
    lab.source("print('other')\n")
    new = submitted(lab)
    assert new.record.run_id not in lab.runs()
    lab.source("", ".idea/workspace.xml")
    assert submitted(lab).record.run_id == new.record.run_id


def test_a_tree_without_such_files_is_the_same_run_under_either_rules(lab: Jobs) -> None:
    assert submitted(lab).record.run_id == record_of_first_rules(lab).record.run_id
