"""The base of our components: declared in the program's process, or by Construct for other languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import pulumi

from ..spec.errors import Problem, SpecError
from ..spec.names import name_problem
from .program import is_in_program

C = TypeVar("C", bound="Component")


class Component(pulumi.ComponentResource):
    """A component whose outputs are computed in the program itself.

    In a notebook, where no program runs, it is a plain value that says what is referred to: nothing is registered.
    """

    token: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]

    def __init__(self, name: str, props: Mapping[str, object], opts: pulumi.ResourceOptions | None) -> None:
        self._state = dict(props)
        if not is_in_program():
            return
        super().__init__(self.token, name, None, opts)
        self.register_outputs(self._state)

    @classmethod
    def from_construct(cls: type[C], name: str, inputs: object, options: pulumi.ResourceOptions | None) -> C:
        """Declares the component from wire inputs; a whole input may be an Output."""
        raise NotImplementedError

    def construct_state(self) -> dict[str, Any]:
        """The outputs by their wire names."""
        return dict(self._state)


def checked_name(name: str | None, resource_name: str) -> str:
    """The name that a component has in run ids and records.

    Raises:
        SpecError: at `name`, with a name to write instead.
    """
    chosen = resource_name if name is None else name
    wrong = name_problem(chosen)
    if wrong:
        raise SpecError(Problem("name", wrong))
    return chosen


def checked_count(path: str, value: Any, least: int) -> Any:
    """A whole number of at least `least`; an Output is left for the provider's check.

    Raises:
        SpecError: at `path`.
    """
    if isinstance(value, pulumi.Output) or value is None:
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not value.is_integer()):
        raise SpecError(Problem(path, f"{value!r} is not a whole number; write one, as 2"))
    if value < least:
        raise SpecError(Problem(path, f"{value!r} is out of range; write at least {least}"))
    return int(value)
