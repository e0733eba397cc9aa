"""The settings of a cluster as a program declares them: checked as far as they are known, credentials made secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi

from ..spec.errors import SpecError
from .program import secret

if TYPE_CHECKING:
    from ..spec.settings import TargetSettings


def typed_settings(model: type[TargetSettings], texts: Mapping[str, object], settings: object) -> Any:
    """Typed settings as they go into a cluster's reference; `texts` are those that are given one by one.

    Names may be as in Python, `shm_size`, or as on the wire. What is an Output is left for the check of the job.

    Raises:
        SpecError: with every setting that is none, cannot be read, or is given twice with different values.
    """
    from pydantic.alias_generators import to_camel

    from ..spec.settings import credentials_of_model, read_settings, unknown_settings

    if not isinstance(settings, Mapping):
        return settings
    given = {to_camel(name): value for name, value in settings.items() if value is not None}
    problems = unknown_settings(model, given, "settings")
    known = {"settings": _known(texts), "typed": _known(given)}
    problems += read_settings(model, known, "typed", old_path="", new_path="settings")[1]
    if problems:
        raise SpecError(problems)
    hidden = credentials_of_model(model)
    return {name: secret(value) if name in hidden else value for name, value in given.items()}


def _known(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not _holds_output(value)}


def _holds_output(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_output, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_output, value))
    return isinstance(value, pulumi.Output)
