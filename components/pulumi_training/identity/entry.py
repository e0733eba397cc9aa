"""The entry script's place in the source tree."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from ..spec.errors import Problem, SpecError
from .ignore import IGNORE_FILES, built_in_rule, load_rules
from .tree import Tree, near_names
from .walk import printable


def find_entry(tree_root: Path | str, entry_script: str, tree: Tree) -> str:
    """The relative posix path of `entry_script` in `tree`, which was read from `tree_root`.

    Raises SpecError (path `entryScript`): no such file (names near ones), a folder, outside the source
    directory, an absolute path, or left out of the tree by the ignore file.
    """
    root = os.path.realpath(tree_root)
    shown = printable(entry_script)
    if not entry_script.strip():
        raise _refuse("is empty; give the script's path inside the source directory")
    path = _relative(root, entry_script)
    if path is None:
        raise _refuse(
            f"{shown} is outside the source directory {printable(root)}; only what is in it reaches the run"
        )
    paths = {entry.path for entry in tree.entries}
    if path in paths and os.path.isabs(entry_script):
        raise _refuse(
            f"{shown} is an absolute path, and a run has its own copy of the source; write {printable(path)}"
        )
    if path in paths:
        return path
    place = os.path.join(root, path)
    if path == "." or os.path.isdir(place):
        raise _refuse(f"{shown} is a folder; name the script in it")
    if os.path.lexists(place):
        raise _refuse(f"{shown} {_why_out(root, path, tree.rules)}")
    raise _refuse(f"{shown} does not exist in {printable(root)}. {_near(path, paths)}")


def _relative(root: str, script: str) -> str | None:
    """`script` relative to `root`, normalised; None where it leads out."""
    if os.path.isabs(script):
        # The folder may have been given through a link: compare real folders, keep the script's own name.
        folder, name = os.path.split(os.path.normpath(script))
        script = os.path.relpath(os.path.join(os.path.realpath(folder), name), root)
    path = posixpath.normpath(script)
    return None if path == ".." or path.startswith(("../", "/")) else path


def _why_out(root: str, path: str, version: int) -> str:
    rules = load_rules(root, version)
    parts = path.split("/")
    folders = ["/".join(parts[:depth]) + "/" for depth in range(1, len(parts))]
    for depth, part in enumerate((*folders, path)):
        if rules.sets_aside(parts[depth], part, at_root=depth == 0):
            where = rules.source or IGNORE_FILES[0]
            return f"is not in the source tree: {parts[depth]} is left out; write `!{part}` in {where} to have it in"
    if (name := built_in_rule(path)) != "":
        return f"is not in the source tree: {name} is always left out; move the script"
    if any(rules.leaves_out(part) for part in (*folders, path)):
        return f"is left out of the source tree by {rules.source}; take it out of there"
    return "is not in the source tree: it appeared only now, or is in a virtual environment"


def _near(path: str, paths: set[str]) -> str:
    scripts = {known for known in paths if known.endswith((".py", ".sh"))} or paths
    # The right name in another folder, else a name like it.
    name = posixpath.basename(path)
    if same := sorted(known for known in paths if posixpath.basename(known) == name)[:3]:
        return f"Did you mean {' or '.join(printable(known) for known in same)}?"
    if near := near_names(path, scripts):
        return f"Did you mean {near}?"
    shown = sorted(scripts)[:5]
    return f"It has {', '.join(printable(known) for known in shown)}." if shown else "It is empty."


def _refuse(message: str) -> SpecError:
    return SpecError(Problem("entryScript", message))
