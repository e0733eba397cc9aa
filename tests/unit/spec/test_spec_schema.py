"""Models, schema.json and the Python classes say the same."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

import pulumi_training
from pulumi_training.resources.property import output_names, wire_name
from pulumi_training.schema.generate import arguments, package_schema, schema_text
from pulumi_training.spec import components, compute, data, environment, job, outputs, policy
from pulumi_training.spec.fields import Identity, identity_of, is_secret
from pulumi_training.spec.reading import SECRETS
from pulumi_training.targets import catalog

SCHEMA_FILE = Path(pulumi_training.__file__).with_name("schema.json")
MODULES = (components, compute, data, environment, job, outputs, policy)
KINDS = ("Workspace", "Datastore", "ComputeCluster")
MODELS = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseModel) and value.model_fields
    }
    | {arguments(catalog.describe(name), kind) for name in catalog.names() for kind in KINDS},
    key=lambda model: model.__name__,
)
FIELDS = [(model, name) for model in MODELS for name in model.model_fields]

# What the Python classes offer in place of, or beside, the wire's properties.
ONLY_PYTHON = {"scriptParams", "customDockerImage", "imageRegistryDetails"}
"""Become `arguments`, `environment.image` and `environment.imageRegistry`."""
NO_SHORTCUT = {
    *("dockerfile", "build_context", "build_arguments", "build_secrets", "platform"),
    *("ca_bundle", "ca_bundle_in_image", "image_repository", "refresh"),
}
"""Belong to a full environment: `environment={...}` or an Environment."""


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=[f"{m.__name__}.{n}" for m, n in FIELDS])
def test_every_field_says_what_it_is(model: type[BaseModel], name: str) -> None:
    assert identity_of(model, name) in Identity
    assert model.model_fields[name].description, "no description"


def test_there_are_models_of_everything() -> None:
    assert {"JobSpec", "EnvironmentSpec", "ComputeRef", "InputSpec", "Retries"} <= {
        m.__name__ for m in MODELS
    }
    assert len(FIELDS) > 100


def test_the_names_of_secrets_are_known_to_the_reader() -> None:
    assert {to_camel(name) for model, name in FIELDS if is_secret(model, name)} == SECRETS


def test_no_secret_is_in_the_key() -> None:
    secret = [(model, name) for model, name in FIELDS if is_secret(model, name)]
    assert all(identity_of(model, name) is not Identity.KEY for model, name in secret)


def test_the_checked_in_schema_is_the_models() -> None:
    assert SCHEMA_FILE.read_text("utf-8") == schema_text()


def test_an_example_is_valid_for_its_field() -> None:
    for model, name in FIELDS:
        extra = model.model_fields[name].json_schema_extra
        assert isinstance(extra, dict)
        if "example" in extra and model is not outputs.JobOutputs:
            model.__pydantic_validator__  # noqa: B018 - builds the deferred model
            try:
                model.model_validate({name: extra["example"]})
            except ValueError as error:
                assert name not in {str(line["loc"][0]) for line in error.errors()}, (model, name)  # type: ignore[attr-defined]


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = package_schema()
    found = set(_references(schema))
    assert found and found == {f"#/types/{token}" for token in schema["types"]}


def test_the_wire_has_no_unions() -> None:
    assert "oneOf" not in schema_text()


@pytest.mark.parametrize("name", ["TrainingJob", "Environment"])
def test_python_takes_what_the_schema_takes(name: str) -> None:
    resource = package_schema()["resources"][f"training:index:{name}"]
    kind = getattr(pulumi_training, name)
    taken = {wire_name(p) for p in inspect.signature(kind.__init__).parameters} - {
        "self", "resourceName", "opts",
    }  # fmt: skip
    shortcuts = set()
    if name == "TrainingJob":
        fields = set(environment.EnvironmentSpec.model_fields)
        shortcuts = {to_camel(f) for f in fields - NO_SHORTCUT - {"image", "image_registry"}}
        assert shortcuts <= taken
        assert taken >= ONLY_PYTHON
    wire = set(resource["inputProperties"]) - ({"environmentRef"} if name == "TrainingJob" else set())
    only_python = ONLY_PYTHON if name == "TrainingJob" else set()
    assert taken - shortcuts - only_python == wire
    required = {
        wire_name(p.name)
        for p in inspect.signature(kind.__init__).parameters.values()
        if p.default is inspect.Parameter.empty and p.name not in ("self", "resource_name")
    }
    assert required == set(resource["requiredInputs"])


@pytest.mark.parametrize("name", ["TrainingJob", "Environment"])
def test_python_gives_what_the_schema_gives(name: str) -> None:
    resource = package_schema()["resources"][f"training:index:{name}"]
    assert set(output_names(getattr(pulumi_training, name))) == set(resource["properties"])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("target", catalog.names())
def test_components_take_what_the_schema_takes(target: str, name: str) -> None:
    resource = package_schema()["resources"][f"training:{target}:{name}"]
    kind = getattr(catalog.part(catalog.describe(target).components), name)
    assert kind.token == f"training:{target}:{name}"
    parameters = inspect.signature(kind.__init__).parameters.values()
    taken = {wire_name(p.name) for p in parameters} - {"self", "resourceName", "opts"}
    assert taken == set(resource["inputProperties"])
    defaults = {wire_name(p.name): p.default for p in parameters if isinstance(p.default, (int, float))}
    for wire, default in defaults.items():
        assert resource["inputProperties"][wire]["default"] == default
    assert resource["isComponent"]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
