"""Whether a Pulumi program runs, and values for both cases: its Outputs, or plain ones in a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import pulumi
from pulumi.runtime import settings

from ..spec.urls import folder_of

T = TypeVar("T")


def is_in_program() -> bool:
    """Whether an engine listens: in `pulumi up` and in inline programs, not in a notebook or a plain script."""
    return settings.get_monitor() is not None


def output(value: object) -> pulumi.Output[Any]:
    """`value` as an Output; outside of a program, where no Output would ever be resolved, the value itself."""
    return pulumi.Output.from_input(value) if is_in_program() else cast("pulumi.Output[Any]", value)


def secret(value: T) -> Any:
    """`value` marked secret; outside of a program the value itself, which whoever takes it must keep so."""
    return pulumi.Output.secret(value) if is_in_program() else value


def joined(base: Any, own: Mapping[str, Any]) -> pulumi.Output[Any]:
    """Two objects as one, where either may hold Outputs."""
    if is_in_program():
        return pulumi.Output.all(base, own).apply(lambda both: {**both[0], **both[1]})
    return cast("pulumi.Output[Any]", {**base, **own})


def reference_of(place: object) -> Any:
    """What a job or a retention takes of a cluster or workspace: of a component its `reference`, else what was given."""
    if isinstance(place, pulumi.Output):
        return place  # its every attribute would be an Output too
    return getattr(place, "reference", getattr(place, "ref", place))


def from_here(url: object) -> Any:
    """A folder outside of a program made absolute: a notebook may stand in another one by its next cell.

    Raises:
        SpecError: it cannot be a place.
    """
    if is_in_program() or not isinstance(url, str):
        return url
    folder = folder_of(url, path="store")
    return url if folder is None else os.path.abspath(os.path.expanduser(folder))
