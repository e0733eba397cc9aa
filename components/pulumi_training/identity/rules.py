"""The versions of the rules that say what is in a source tree and in a run key, and what each one changed.

1. What 0.1 began with; said by leaving the version out.
2. Files of editors and of trackers are out of a tree (`EDITORS`, `TRACKERS`); files that decide the environment
   and are not in the tree are in the key by content.

A run made under older rules stays as it is until something really changes (`driver.identify`).
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

FIRST = 1
NEWEST = 2
EDITORS = ("*.swp", "*~", "#*#", ".#*", ".idea")
"""Names that rules 2 leave out at any depth: what editors put beside the files that are edited."""
TRACKERS = frozenset(("mlruns", "wandb"))
"""Names that rules 2 leave out in the root: what trackers of experiments write there."""
_NAMED = 3


def known(version: object) -> int:
    """The version of rules that a state or a record names: the first where it names none.

    Of a newer one that this package does not know, the newest that it does.
    """
    if isinstance(version, bool) or not isinstance(version, int | float) or version < FIRST:
        return FIRST
    return min(int(version), NEWEST)


def said(version: int) -> dict[str, int]:
    """The version as checked inputs have it: the first is said by leaving it out."""
    return {} if version == FIRST else {"sourceRules": version}


def is_aside(name: str, at_root: bool) -> bool:
    """Whether rules 2 leave out what has this name, unless an ignore file brings it back."""
    # Asked for every file of a tree: most names are settled by their ends.
    if name[-1] == "~" or name[0] in "#.":
        return any(fnmatchcase(name, pattern) for pattern in EDITORS)
    return name.endswith(".swp") or (at_root and name in TRACKERS)


def is_path_aside(path: str) -> bool:
    """Whether rules 2 leave out `path` (relative, posix) by its own name or that of a folder it is in."""
    return any(is_aside(part, depth == 0) for depth, part in enumerate(path.split("/")))


def changes(old: int, new: int, aside: Collection[str]) -> str:
    """What newer rules changed, in words; `aside` names what they leave out of this tree."""
    named = sorted(aside)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    found = f" (here {', '.join(named[:_NAMED])}{more})" if named else ""
    return (
        f"what counts is told by rules {new} from now on, it was rules {old}: files of editors and trackers are left out"
        f"{found}, and files of the environment that are not in the source directory count by content"
    )
