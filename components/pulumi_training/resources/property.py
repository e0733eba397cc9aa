"""Output properties of our resource classes: snake_case in Python, camelCase on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, overload

import pulumi

from ..declare.program import secret
from ..spec.errors import Problem, SpecError

T = TypeVar("T")


class OutputProperty(Generic[T]):
    """A property that the provider gives: `job.outputs_location` is an `Output` of `outputsLocation`."""

    def __init__(self, description: str) -> None:
        self.__doc__ = description
        self._wire = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Remembers the wire's name of the property."""
        self._wire = wire_name(name)

    @overload
    def __get__(self, resource: None, owner: type) -> OutputProperty[T]: ...
    @overload
    def __get__(self, resource: pulumi.Resource, owner: type) -> pulumi.Output[T]: ...
    def __get__(self, resource: pulumi.Resource | None, owner: type) -> Any:
        """The output, which the SDK keeps under the wire's name."""
        return self if resource is None else resource.__dict__[self._wire]


def output_names(kind: type) -> list[str]:
    """The wire names of every output property of a resource class."""
    return [
        wire_name(name)
        for base in reversed(kind.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, OutputProperty)
    ]


def wire_name(name: str) -> str:
    """`node_count` as `nodeCount`."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def with_secret_password(registry: object) -> Any:
    """Registry credentials with the password marked secret."""
    if not isinstance(registry, Mapping) or registry.get("password") is None:
        return registry
    return {**registry, "password": secret(registry["password"])}


def given(values: Mapping[str, object]) -> dict[str, Any]:
    """The arguments that were given, by wire name."""
    return {wire_name(name): value for name, value in values.items() if value is not None}


def list_of(parameters: Mapping[str, object], name: str) -> list[Any]:
    """A parameter that has several values, empty where it is not given.

    Raises:
        SpecError: it is something else, as one text.
    """
    value = parameters.get(name)
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise SpecError(Problem(name, f"is a {type(value).__name__}; give a list"))
    return list(value)


def mapping_of(parameters: Mapping[str, object], name: str) -> Mapping[str, Any]:
    """A parameter that has names and values, empty where it is not given.

    Raises:
        SpecError: it is something else.
    """
    value = parameters.get(name) or {}
    if not isinstance(value, Mapping):
        raise SpecError(Problem(name, f"is a {type(value).__name__}; give a mapping of names to values"))
    return value
