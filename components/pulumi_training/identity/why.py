"""Why two runs differ, in words: `train.py changed`, `nodeCount 1 -> 2`, `arguments: --epochs 5 -> 7`.

Compares inputs as they cross the wire: camelCase names, nested objects and lists. Secrets never show: neither
what is at a hidden path nor any value that is not plain JSON (a wrapper of a secret, an asset).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

from .lists import argument_changes, package_changes
from .values import is_opaque, is_plain_text, is_unknown, same, show
from .walk import printable

NAMED = 5
"""Files that a message names; the rest is counted."""

Kind = Literal["add", "delete", "update"]
_MISSING = object()
_DERIVED = ("runKey",)
_SECRET = "[secret]"


@dataclass(frozen=True)
class Change:
    """One difference: the property's path as Pulumi writes it, what became of it, and words."""

    path: str
    kind: Kind
    message: str

    def __str__(self) -> str:
        return self.message


def explain(
    old: Mapping[str, object],
    new: Mapping[str, object],
    old_files: Mapping[str, str] | None = None,
    new_files: Mapping[str, str] | None = None,
    *,
    hidden: Set[str] = frozenset(),
) -> list[Change]:
    """The differences of `new` from `old`, the source first, the rest by path; empty only for equal inputs.

    `old_files` and `new_files` are manifests (path -> sha256) that name the files behind a changed
    `sourceDigest`. `hidden` are property paths whose values, and all below them, are not shown.
    """
    found = list(_compare("", old, new, hidden))
    telling = [change for change in found if change.path not in _DERIVED] or found
    changes = [
        Change(
            change.path, change.kind, _source_message(change, old_files, new_files, new.get("sourceDigest"))
        )
        if change.path == "sourceDigest"
        else change
        for change in telling
    ]
    return sorted(changes, key=lambda change: (change.path != "sourceDigest", change.path))


def file_changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What became of each file, in words: changed, then renamed, added and removed ones, by path."""
    changed = sorted(path for path in old.keys() & new.keys() if old[path] != new[path])
    added = sorted(new.keys() - old.keys())
    removed = sorted(old.keys() - new.keys())
    by_content: dict[str, list[str]] = {}
    for path in added:
        by_content.setdefault(new[path], []).append(path)
    renamed: dict[str, str] = {}
    for path in removed:
        if same_content := by_content.get(old[path]):
            renamed[path] = same_content.pop(0)
    arrived = set(renamed.values())
    return [
        *(f"{printable(path)} changed" for path in changed),
        *(f"{printable(path)} renamed to {printable(to)}" for path, to in renamed.items()),
        *(f"{printable(path)} added" for path in added if path not in arrived),
        *(f"{printable(path)} removed" for path in removed if path not in renamed),
    ]


def _source_message(
    change: Change, old: Mapping[str, str] | None, new: Mapping[str, str] | None, digest: object
) -> str:
    if change.kind != "update":
        return "source tree now given" if change.kind == "add" else "source tree no longer given"
    if is_unknown(digest):
        return "source tree: not known yet, may change"
    if old is None or new is None:
        return "source tree changed"
    words = file_changes(old, new)
    if not words:
        # Same contents, other digest: the executable bit is in the digest and not in a manifest.
        return "source tree changed (an executable bit)"
    more = [f"and {len(words) - NAMED} more"] if len(words) > NAMED else []
    return ", ".join(words[:NAMED] + more)


def _compare(path: str, old: Any, new: Any, hidden: Set[str]) -> Iterator[Change]:
    if old is not _MISSING and new is not _MISSING and same(old, new):
        return
    if path in hidden:
        yield Change(path, _kind(old, new), f"{path} {_verb(old, new)} (secret)")
    elif path == "environmentFiles":
        before, after = (value if isinstance(value, Mapping) else {} for value in (old, new))
        for name in sorted(
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        ):
            was, now = before.get(name, _MISSING), after.get(name, _MISSING)
            yield Change(_below(path, name), _kind(was, now), f"{printable(name)} {_verb(was, now)}")
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            yield from _compare(_below(path, name), old.get(name, _MISSING), new.get(name, _MISSING), hidden)
    elif is_unknown(new):
        yield Change(path, _kind(old, new), f"{path}: not known yet, may change")
    elif any(value is not _MISSING and is_opaque(value) for value in (old, new)):
        yield Change(path, _kind(old, new), f"{path} {_verb(old, new)} (secret)")
    elif _is_list(old) and _is_list(new):
        yield from _compare_lists(path, old, new, hidden)
    else:
        yield Change(path, _kind(old, new), _words(path, old, new, hidden))


def _compare_lists(path: str, old: Sequence[Any], new: Sequence[Any], hidden: Set[str]) -> Iterator[Change]:
    if len(old) == len(new) and all(isinstance(item, Mapping) for item in (*old, *new)):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _compare(f"{path}[{place}]", before, after, hidden)
        return
    if any(is_unknown(item) for item in new):
        yield Change(path, "update", f"{path}: not known yet, may change")
        return
    if not all(map(is_plain_text, (*old, *new))):
        words = [f"{show(old)} -> {show(new)}"]
    elif path in ("arguments", "command"):
        words = argument_changes(old, new)
    else:
        words = package_changes(old, new)
    yield Change(path, "update", f"{path}: {', '.join(words) or 'order changed'}")


def _words(path: str, old: object, new: object, hidden: Set[str]) -> str:
    if path.startswith("inputs.") and path.endswith(".fingerprint"):
        return f"{path.removesuffix('.fingerprint')}: data changed"
    if old is _MISSING:
        return f"{path} set to {_show(path, new, hidden)}"
    if new is _MISSING:
        return f"{path} removed, was {_show(path, old, hidden)}"
    return f"{path} {_show(path, old, hidden)} -> {_show(path, new, hidden)}"


def _show(path: str, value: object, hidden: Set[str]) -> str:
    """`value` without what is hidden below `path`."""
    below = {secret for secret in hidden if secret.startswith((f"{path}.", f"{path}["))}
    if not below:
        return show(value)
    if any("[" in secret.removeprefix(path) for secret in below):
        return _SECRET  # the place in a list, or a name in quotes: not worth a risk
    return show(_without(path, value, below))


def _without(path: str, value: object, hidden: Set[str]) -> Any:
    if path in hidden:
        return _SECRET
    if isinstance(value, Mapping):
        return {name: _without(f"{path}.{name}", item, hidden) for name, item in value.items()}
    return value


def _kind(old: object, new: object) -> Kind:
    return "add" if old is _MISSING else "delete" if new is _MISSING else "update"


def _verb(old: object, new: object) -> str:
    return {"add": "added", "delete": "removed", "update": "changed"}[_kind(old, new)]


def _below(path: str, name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_$][\w$-]*", name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{escaped}"]'
    return f"{path}.{name}" if path else name


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)
