"""What is known of a target before it is loaded: every part that a descriptor names is there."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pulumi_training.spec.errors import SpecError
from pulumi_training.targets import catalog
from pulumi_training.targets.contract.descriptor import Feature
from pulumi_training.targets.contract.target import Target

_WORDS = ("name", "where", "state", "features", "extra")


@pytest.mark.parametrize("name", catalog.names())
def test_every_part_that_a_descriptor_names_is_there(name: str) -> None:
    descriptor = catalog.describe(name)
    assert descriptor.name == name
    for field in fields(descriptor):
        named = getattr(descriptor, field.name)
        if field.name not in _WORDS and named is not None:
            assert catalog.part(named) is not None


@pytest.mark.parametrize("name", catalog.names())
def test_a_target_is_made_from_its_descriptor(name: str) -> None:
    target = catalog.get(name)
    assert isinstance(target, Target)
    assert target.name == name


def test_components_have_the_tokens_of_their_target() -> None:
    for name in catalog.names():
        module = catalog.part(catalog.describe(name).components)
        tokens = [kind.token for kind in (module.Workspace, module.Datastore, module.ComputeCluster)]
        assert tokens == [f"training:{name}:{kind}" for kind in ("Workspace", "Datastore", "ComputeCluster")]


def test_an_unknown_target_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(SpecError) as refused:
        catalog.get("nowhere")
    (problem,) = refused.value.problems
    assert problem.path == "compute.target"
    assert all(name in problem.message for name in catalog.names())


def test_a_feature_is_asked_of_every_target() -> None:
    for feature in Feature:
        found = catalog.supporting(feature)
        assert all(feature in catalog.describe(name).features for name in found)
