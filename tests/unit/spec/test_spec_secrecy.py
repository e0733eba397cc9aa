"""Secrets are kept out of a recorded job, and given back to whoever drives it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.driver.request import recorded
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.secrecy import hide, named, names_in, reveal, variables
from pulumi_training.targets.contract.run import RunSpec

TEXTS = st.text(st.characters(exclude_characters="[]", exclude_categories=("Cs",)), min_size=1, max_size=12)


@given(
    st.lists(TEXTS, max_size=4),
    st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)),
)
def test_hiding_is_undone_by_revealing(texts: list[str], value: object) -> None:
    names = named(texts)
    # A secret that is itself part of a name (`secret`, a digit) cannot be told from it.
    names = {name: text for name, text in names.items() if not any(text in other for other in names)}
    assert reveal(hide(value, names), names) == value


def test_a_token_in_an_index_url_is_not_recorded_and_reaches_the_driver(tmp_path) -> None:  # type: ignore[no-untyped-def]
    url = "https://build:t0ken-1@wheels.invalid/simple"
    job = JobSpec.model_validate(
        {
            "entryScript": "train.py",
            "environment": {"indexUrl": url, "imageRegistry": {"address": "r", "password": "pw-2"}},
        }
    )
    secrets = {"PASSWORD": "variable", **named([url, "pw-2"])}
    document = recorded(job, secrets)
    assert "t0ken-1" not in json.dumps(document)
    assert "pw-2" not in json.dumps(document)
    assert len(names_in(document)) == 2
    run = RunSpec("fit-1", 1, document, tmp_path, tmp_path, secrets)
    assert run.job.environment is not None
    assert run.job.environment.index_url == url
    assert run.job.environment.image_registry is not None
    assert run.job.environment.image_registry.password == "pw-2"
    assert run.variables == variables(secrets) == {"PASSWORD": "variable"}
