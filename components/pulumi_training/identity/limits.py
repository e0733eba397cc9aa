"""How large a source tree may be, and who is to blame where it is larger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..spec.errors import Problem
from ..spec.text import count
from .stat_cache import Stamps
from .walk import printable

OFFENDERS = 5
_MOST = 0.8


@dataclass(frozen=True)
class TreeLimits:
    """The most a source tree may have: bytes of content, and files. 300 MiB is Azure ML's snapshot limit."""

    max_bytes: int = 300 * 2**20
    max_files: int = 20_000


def over_limits(
    files: Sequence[tuple[str, Stamps]], limits: TreeLimits, *, is_whole: bool = True
) -> Problem | None:
    """What to say of a tree over `limits`, with its five largest files or folders; else None."""
    size, number = sum([seen[0] for _, seen in files]), len(files)
    too_large, too_many = size > limits.max_bytes, number > limits.max_files
    if not (too_large or too_many):
        return None
    broken = [f"{readable(limits.max_bytes)} (sourceMaxBytes = {limits.max_bytes})"] if too_large else []
    broken += [f"{count(limits.max_files, 'file')} (sourceMaxFiles)"] if too_many else []
    top = _largest(_total(files), by_size=too_large)
    lines = "".join(f"\n  {printable(item.path)}  {item.describe()}" for item in top)
    raise_what = " and ".join(["sourceMaxBytes"] * too_large + ["sourceMaxFiles"] * too_many)
    return Problem(
        "sourceDirectory",
        f"has {'' if is_whole else 'at least '}{readable(size)} in {count(number, 'file')}, over the limit of "
        f"{' and of '.join(broken)}. The largest:{lines}\n"
        f"Name what the run does not need in .amlignore, declare data as a Datastore, or raise {raise_what}.",
    )


def readable(size: int) -> str:
    """`size` in bytes for a person: `412 B`, `3.1 KiB`, `812.0 MiB`."""
    number, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"


@dataclass
class _Item:
    """A file, or a folder with all that is below it."""

    path: str
    size: int = 0
    count: int = 0
    below: dict[str, _Item] = field(default_factory=dict)

    def describe(self) -> str:
        return (
            f"{readable(self.size)} in {count(self.count, 'file')}"
            if self.path.endswith("/")
            else readable(self.size)
        )


def _total(files: Sequence[tuple[str, Stamps]]) -> _Item:
    root = _Item("")
    for path, (size, *_) in files:
        item, parts = root, path.split("/")
        item.size, item.count = item.size + size, item.count + 1
        for depth, part in enumerate(parts):
            item = item.below.setdefault(
                part, _Item("/".join(parts[: depth + 1]) + ("/" if depth < len(parts) - 1 else ""))
            )
            item.size, item.count = item.size + size, item.count + 1
    return root


def _largest(root: _Item, *, by_size: bool) -> list[_Item]:
    """The largest of the root's items; one that is mostly a single item below it gives way to that."""

    def weight(item: _Item) -> tuple[int, int, str]:
        return (-item.size, -item.count, item.path) if by_size else (-item.count, -item.size, item.path)

    def narrow(item: _Item) -> _Item:
        while item.below:
            heaviest = min(item.below.values(), key=weight)
            if -weight(heaviest)[0] < _MOST * -weight(item)[0]:
                break
            item = heaviest
        return item

    # A tree with everything in one or two folders names what is in them instead.
    items = list(root.below.values())
    while len(items) < OFFENDERS and any(item.below for item in items):
        item = min((item for item in items if item.below), key=weight)
        items.remove(item)
        items += item.below.values()
    return [narrow(item) for item in sorted(items, key=weight)[:OFFENDERS]]
