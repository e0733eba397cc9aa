"""How lists of text differ, in words: command-line arguments, and requirements or other sets of names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from .values import show

_NAMED = 8
_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\]\s*)?(?:[=<>!~@;\s].*)?$", re.DOTALL
)


def package_changes(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """`+ mpi4py`, `- numpy`, `torch==2.1 -> torch==2.2`; empty where only the order changed."""
    added, removed = Counter(new) - Counter(old), Counter(old) - Counter(new)
    names = {_name(line): line for line in reversed([line for line in new if line in added])}
    moved = {}
    for line in dict.fromkeys(line for line in old if line in removed):
        target = names.pop(_name(line), None)
        if target is not None and removed[line] == added[target] == 1:
            moved[line] = target
    arrived = set(moved.values())
    return _cut(
        [
            *(f"{show(line)} -> {show(target)}" for line, target in moved.items()),
            *(f"+ {show(line)}" for line in dict.fromkeys(new) if line in added and line not in arrived),
            *(f"- {show(line)}" for line in dict.fromkeys(old) if line in removed and line not in moved),
        ]
    )


def argument_changes(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """`--epochs 5 -> 7`, `+ --verbose`, `- --lr 0.1`; empty where only the order of options changed.

    An option is a word that starts with `-` and is no number, with the words up to the next as its values;
    `--lr=0.1` is the same option as `--lr 0.1`. Options that come more than once are paired in their order.
    """
    before, after = _options(old), _options(new)
    words = []
    for option in dict.fromkeys((*before, *after)):
        if option:
            words += _option_changes(option, before.get(option, []), after.get(option, []))
        else:
            words += _positional_changes(before.get("", [[]])[0], after.get("", [[]])[0])
    if not words and sorted(old) != sorted(new):
        # The same options in another spelling (`--lr=1`, `--lr 1`): the script sees other words all the same.
        words = [f"{_values(old)} -> {_values(new)}"]
    return _cut(words)


def _options(arguments: Sequence[str]) -> dict[str, list[list[str]]]:
    """Option -> the values of each time it comes; what comes before any option is under the empty name."""
    found: dict[str, list[list[str]]] = {}
    values = found.setdefault("", [[]])[0]
    for word in arguments:
        if not _is_option(word):
            values.append(word)
            continue
        name, equals, value = word.partition("=")
        values = [value] if equals else []
        found.setdefault(name, []).append(values)
    return found


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not re.fullmatch(r"-\.?\d.*|-inf|-nan", word)


def _option_changes(option: str, before: list[list[str]], after: list[list[str]]) -> list[str]:
    common = min(len(before), len(after))
    words = [
        f"{show(option)} {_values(a) or '(no value)'} -> {_values(b) or '(no value)'}"
        for a, b in zip(before, after, strict=False)
        if a != b
    ]
    words += [f"+ {show(option)} {_values(b)}".rstrip() for b in after[common:]]
    return words + [f"- {show(option)} {_values(a)}".rstrip() for a in before[common:]]


def _positional_changes(before: list[str], after: list[str]) -> list[str]:
    return [
        f"{show(a)} -> {show(b)}"
        if a is not None and b is not None
        else f"+ {show(b)}"
        if a is None
        else f"- {show(a)}"
        for a, b in _replaced(before, after)
    ]


def _replaced(before: Sequence[str], after: Sequence[str]) -> list[tuple[str | None, str | None]]:
    pairs: list[tuple[str | None, str | None]] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        lost, won = before[a:b], after[c:d]
        common = min(len(lost), len(won))
        pairs += zip(lost[:common], won[:common], strict=True)
        pairs += [(word, None) for word in lost[common:]]
        pairs += [(None, word) for word in won[common:]]
    return pairs


def _values(values: Sequence[str]) -> str:
    return " ".join(show(value) for value in values)


def _name(requirement: str) -> str:
    """The package's name as PEP 503 compares names; the whole line where it is no requirement."""
    match = _REQUIREMENT.match(requirement)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else requirement


def _cut(words: list[str]) -> list[str]:
    return words if len(words) <= _NAMED else [*words[:_NAMED], f"and {len(words) - _NAMED} more"]
