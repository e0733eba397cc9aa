"""The data that a job refers to: in its inputs and outputs, its arguments, variables and triggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..declare.data_reference import DataReference
from ..spec.errors import Problem, SpecError
from .property import given


class JobData:
    """The data that a job refers to, each under one name."""

    def __init__(self) -> None:
        self._named: dict[str, DataReference] = {}
        self._wire: dict[str, dict[str, Any]] = {"inputs": {}, "outputs": {}}

    def add(self, given_: Sequence[DataReference] | Mapping[str, object] | None, field: str) -> None:
        """Takes the job's own `inputs` or `outputs`."""
        if given_ is None:
            return
        if isinstance(given_, Mapping):
            for name, value in given_.items():
                if isinstance(value, DataReference):
                    self.refer(value.named(name))
                elif hasattr(value, "as_mount"):
                    raise _no_reference(f"{field}[{name!r}]", value)
                else:
                    self._wire[field][name] = given(value) if isinstance(value, Mapping) else {"uri": value}
            return
        for value in given_ if isinstance(given_, (list, tuple)) else [given_]:
            if not isinstance(value, DataReference):
                raise _no_reference(field, value)
            self.refer(value)

    def refer(self, reference: DataReference) -> str:
        """The argument that stands for the data; the same data in another mode gets another name."""
        name, number = reference.name, 1
        while (known := self._named.get(name)) is not None and known.named("") != reference.named(""):
            number += 1
            name = f"{reference.name}-{reference.mode}" if number == 2 else f"{reference.name}-{number}"
        self._named[name] = reference.named(name)
        return self._named[name].argument

    def to_wire(self) -> dict[str, Any]:
        """The `inputs` and `outputs` properties, where there is anything in them."""
        for name, reference in self._named.items():
            self._wire["outputs" if reference.is_output else "inputs"][name] = reference.to_wire()
        return {field: entries for field, entries in self._wire.items() if entries}


def _no_reference(path: str, value: object) -> SpecError:
    return SpecError(
        Problem(
            path,
            f"a {type(value).__name__} is no data reference; give what .as_mount(), .as_download() or .as_upload() of a "
            "datastore answers, or a mapping of names to URLs",
        )
    )
