"""Where runs are looked for: the stores of the workspaces seen on this machine, or one that is named."""

from __future__ import annotations

from dataclasses import dataclass

from ..record.store import Store
from ..record.workspaces import damage, known
from ..spec.errors import TrainingError
from ..spec.urls import display


@dataclass(frozen=True)
class Place:
    """An opened store. `workspaces` are the names that this machine knows it by."""

    store: Store
    workspaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """A store that did not answer, and its words. `store` is without credentials."""

    store: str
    message: str


@dataclass(frozen=True)
class Places:
    """The stores to look in, and the known ones that could not be opened."""

    found: tuple[Place, ...]
    unreadable: tuple[Unreadable, ...] = ()


def places(store: str | None = None, workspace: str | None = None) -> Places:
    """The stores to look in: `store` alone where it is given, else every known one, newest first.

    A `workspace` leaves out the stores that this machine knows by other names only. Raises `SpecError` for a
    `store` that cannot be one.
    """
    if store is not None:
        return Places((Place(Store.open(store)),))
    names: dict[str, list[str]] = {}
    for seen in known():
        names.setdefault(seen.store, []).append(seen.name)
    found, unreadable = [], []
    if (problem := damage()) is not None:
        unreadable.append(Unreadable("the list of workspaces", problem.message))
    for url, known_as in names.items():
        if workspace is not None and workspace not in known_as:
            continue
        try:
            found.append(Place(Store.open(url), tuple(known_as)))
        except TrainingError as error:
            unreadable.append(Unreadable(display(url), error.message))
    return Places(tuple(found), tuple(unreadable))
