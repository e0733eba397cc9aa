"""Settings of a cluster that are secret: what is written of them, and the way back in a process that was given them.

A record, a handle or a file beside an attempt has `[secret 1] of fit-1a2b3c4d5e` in place of such a setting. Whoever
was not given it is told which one is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..spec.errors import TransientError
from ..spec.secrecy import names_in, reveal

_OF = " of "
_given: dict[str, Mapping[str, str]] = {}


def lend(run_id: str, secrets: Mapping[str, str]) -> None:
    """Lets this process use the secrets of a run, by their names (`spec.secrecy`), as long as it lives."""
    if secrets:
        _given[run_id] = {**_given.get(run_id, {}), **secrets}


def withheld(address: Mapping[str, str], settings: Mapping[str, object], run_id: str) -> dict[str, str]:
    """`address` as it may be written: what `settings`, as recorded, hide is named in it.

    `settings` have the names of `address`.
    """
    return {
        name: f"{settings[name]}{_OF}{run_id}" if names_in(settings.get(name)) else value
        for name, value in address.items()
    }


def is_withheld(address: Mapping[str, str]) -> bool:
    """Whether anything of `address` is a name only."""
    return bool(names_in(dict(address)))


def held_by(settings: Mapping[str, object], run_id: str) -> dict[str, Any]:
    """Recorded settings with the run named whose secrets they are."""
    return {
        name: f"{value}{_OF}{run_id}" if run_id and isinstance(value, str) and names_in(value) else value
        for name, value in settings.items()
    }


def given(address: Mapping[str, object], property_of: Callable[[str], str] = str) -> dict[str, Any]:
    """`address` as it is used; `property_of` tells the input that a part of it came from.

    Raises:
        TransientError: this process was not given what it needs; names it, and the run whose program has it.
    """
    return {name: _given_text(property_of(name), value) for name, value in address.items()}


def _given_text(name: str, value: object) -> Any:
    if not isinstance(value, str) or not names_in(value):
        return value
    text, _, run_id = value.rpartition(_OF)
    found = reveal(text or value, _given.get(run_id, {}))
    if names_in(found):
        raise TransientError(
            f"{name} is a secret of the program that made run {run_id}, and no record has it: "
            "only `pulumi up` or `pulumi destroy` of its stack can reach the run"
        )
    return found
