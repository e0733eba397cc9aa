"""Names that become parts of run ids, host names and folders."""

from __future__ import annotations

import hashlib
import re

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
NAME_RULE = "use 1 to 40 lower-case letters, digits and hyphens, with a letter or digit at both ends"


def is_name(text: str) -> bool:
    """Whether `text` can name a job, workspace, datastore or cluster: a DNS label of at most 40 characters."""
    return _NAME.fullmatch(text) is not None


def name_problem(text: str) -> str | None:
    """What is wrong with a name and what to write instead, or None where nothing is."""
    if is_name(text):
        return None
    shown = text if len(text) <= 60 else text[:57] + "..."
    return f"{shown!r} cannot be a name; {NAME_RULE}, for example {suggest(text)!r}"


def suggest(text: str) -> str:
    """A valid name close to `text`."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
    return plain or "train"


def distinct(text: str) -> str:
    """As `suggest`, but two texts never get one name: where that says less than `text`, the name ends with a digest."""
    plain = suggest(text)
    if plain == text:
        return plain
    return f"{plain[:31].rstrip('-')}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
