"""Where data is: a datastore's URI made absolute, and whether anything is there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..spec.errors import Problem, SpecError
from ..spec.urls import display, folder_of


@dataclass(frozen=True)
class Place:
    """A folder or file of this machine (`local`), or a URL of an object store. Prints without credentials."""

    url: str
    local: Path | None = None

    @property
    def display(self) -> str:
        """The form that may be shown."""
        return display(self.url)

    def __str__(self) -> str:
        return self.display

    def __repr__(self) -> str:
        return f"Place({self.display!r})"


def resolve(uri: str | Place, *, base: Path | None = None, path: str = "inputs") -> Place:
    """The place that `uri` names: a folder (relative ones against `base`, the program's folder) or a URL.

    Raises `SpecError` at the property `path` for what cannot be one.
    """
    if isinstance(uri, Place):
        return uri
    text = folder_of(uri, path=path)
    if text is None:
        return Place(uri.strip())
    start = (base or Path.cwd()).expanduser().absolute()
    folder = Path(os.path.normpath(start / Path(text).expanduser()))
    return Place(str(folder), folder)


def exists(uri: str | Place, *, base: Path | None = None) -> bool:
    """Whether there is a file, or a folder with or without files, at `uri`.

    Raises `TransientError` where the store does not answer, `PermanentError(DATA_UNAVAILABLE)` where it
    refuses.
    """
    place = resolve(uri, base=base)
    if place.local is not None:
        return place.local.exists()
    from .objects import Objects

    return Objects(place).exists()


def require(uri: str | Place, *, base: Path | None = None, path: str = "inputs") -> Place:
    """The place that `uri` names, if it is there. Raises `SpecError` that lists what has a similar name."""
    place = resolve(uri, base=base, path=path)
    if exists(place):
        return place
    raise missing(place, path=path)


def missing(place: Place, *, path: str) -> SpecError:
    """The error for a place that is not there, with names beside it that look like it."""
    from ..identity.tree import near_names

    parent, wanted, beside = _beside(place)
    near = near_names(wanted, beside)
    if near:
        hint = f"Did you mean {near}?"
    elif beside:
        hint = f"{parent} has {', '.join(sorted(beside)[:5])}{' and more' if len(beside) > 5 else ''}."
    else:
        hint = f"{parent} has nothing in it, or is not there."
    return SpecError(Problem(path, f"the datastore {place} does not exist. {hint}"))


def _beside(place: Place) -> tuple[str, str, list[str]]:
    if place.local is None:
        from .objects import Objects

        return Objects(place).beside()
    parent, wanted = place.local.parent, place.local.name
    while not parent.is_dir() and parent != parent.parent:
        parent, wanted = parent.parent, parent.name
    try:
        return str(parent), wanted, os.listdir(parent)
    except OSError:
        return str(parent), wanted, []
