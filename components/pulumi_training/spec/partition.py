"""The parts of a job by what a change of them does: the key fields, and the top-level names of each identity."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from .data import InputSpec
from .fields import Identity, identity_of
from .job import JobSpec


def key_fields(model: BaseModel) -> dict[str, Any]:
    """The fields that decide the result and are not at their defaults, in wire names, as JSON values.

    A field at its default is left out, so that a new version's new field retrains nobody. An input counts by
    its fingerprint where it has one, else by its address.
    """
    fields: dict[str, Any] = {}
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if identity_of(type(model), name) is not Identity.KEY or value == info.get_default(
            call_default_factory=True
        ):
            continue
        plain = _plain(value)
        if plain == {} and isinstance(value, BaseModel):
            continue  # an object of defaults says what its absence says
        fields[to_camel(name)] = plain
    if isinstance(model, InputSpec) and model.fingerprint is None:
        fields["uri"] = model.uri
    return fields


def names_of(identity: Identity) -> frozenset[str]:
    """The wire names of a job's top-level properties that have this identity."""
    return frozenset(to_camel(n) for n in JobSpec.model_fields if identity_of(JobSpec, n) is identity)


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return key_fields(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return getattr(value, "value", value)
