"""The run that a person named, and a word on stderr where it is not of this folder's project and stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..client.find import Found


def find_run(text: str, store: str | None, *, to_change: bool = False) -> Found:
    """As `client.find.find`, with its note on stderr."""
    from ..client.find import find
    from . import output

    found = find(text, store, to_change=to_change)
    if found.note:
        output.note(found.note)
    return found
