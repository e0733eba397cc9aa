"""The one reader of the JSON documents that are kept: what is in one is checked before anything is made of it.

A document is whole, damaged (cut, garbled, or of another shape), or of a newer version. Files get damaged where a disk
fills up, a machine loses power, or a person edits them; whoever reads one names it, and goes on with the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from .errors import TrainingError

DEPTH = 100
"""Levels of nesting that a document may have; more would end in the limit of whatever walks through it."""
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, up to which a time can be written as a date."""
_GREATEST = 2**63
_SHOWN = 60

Shape = Mapping[str, Any]
"""Names of fields with the types that their values must have."""


class UnreadableDocument(TrainingError):
    """A kept document of which nothing may be made. `where` is its path or URL."""

    def __init__(self, where: str, problem: str, advice: str) -> None:
        self.where = where
        super().__init__(f"{where} {problem}. {advice}.")


class DamagedDocument(UnreadableDocument):
    """A kept document that is not what was written there."""

    def __init__(self, where: str, what: str, advice: str = "") -> None:
        words = advice or "Restore it from a copy, or move what it belongs to away; nothing here changes it"
        super().__init__(where, f"is damaged: {what}", words)


class NewerDocument(UnreadableDocument):
    """A kept document that a newer version of this package wrote: it is named, and never written."""

    def __init__(self, where: str, version: int, known: int) -> None:
        super().__init__(
            where,
            f"was written by a newer version of pulumi-training (format {version}; this one reads {known})",
            "Install that version, or a later one; nothing here changes it",
        )


def is_time(value: float) -> bool:
    """Whether a number of seconds since 1970 can be written as a date."""
    return 0 <= value <= _LAST_SECOND


def is_count(value: int) -> bool:
    """Whether a number counts something."""
    return value >= 0


Time = Annotated[float, is_time]
"""Seconds since 1970 (UTC)."""
Count = Annotated[int, is_count]


def parse(data: bytes | str, where: str, advice: str = "") -> Any:
    """The JSON value in `data`. Raises `DamagedDocument`."""
    if not data.strip():
        raise DamagedDocument(where, "it is empty", advice)
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise DamagedDocument(where, "it is nested too deeply", advice) from error
    except ValueError as error:
        raise DamagedDocument(where, f"it is not JSON ({_cut(str(error))})", advice) from error
    if _is_deep(data) and _depth(value) > DEPTH:
        raise DamagedDocument(where, "it is nested too deeply", advice)
    return value


def parse_object(data: bytes | str, where: str, advice: str = "") -> dict[str, Any]:
    """The JSON object in `data`. Raises `DamagedDocument`."""
    value = parse(data, where, advice)
    if not isinstance(value, dict):
        raise DamagedDocument(where, "it is not a JSON object", advice)
    return value


def value_or_none(data: bytes | str | None) -> Any:
    """The JSON value in `data`, None where there is none: for lines and caches, which are done without."""
    try:
        return None if data is None else parse(data, "")
    except DamagedDocument:
        return None


def object_or_none(data: bytes | str | None) -> dict[str, Any] | None:
    """The JSON object in `data`, None where there is none."""
    value = value_or_none(data)
    return value if isinstance(value, dict) else None


def check_version(document: Mapping[str, object], where: str, known: int, advice: str = "") -> None:
    """Raises `NewerDocument` where `version` is above `known`, `DamagedDocument` where it is no version.

    A document without one is of the first.
    """
    version = document.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise DamagedDocument(where, f"`version` is {_shown(version)}", advice)
    if version > known:
        raise NewerDocument(where, version, known)


def fields_of(kind: type, document: Mapping[str, object], where: str, advice: str = "") -> dict[str, Any]:
    """What a document has for the fields of the dataclass `kind`, each of the field's type; others are left out.

    Lists become tuples, and texts enums, where the field has them.

    Raises:
        DamagedDocument: a field has another type, or one without a default is missing.
    """
    found = fitting(_shape_of(kind), document, where, advice)
    missing = _required(kind).difference(found)
    if missing:
        raise DamagedDocument(where, f"`{min(missing)}` is missing", advice)
    return found


def fitting(shape: Shape, document: Mapping[str, object], where: str, advice: str = "") -> dict[str, Any]:
    """What a document has for the names of `shape`, each of the type that is written there; others are left out.

    Raises:
        DamagedDocument: a value has another type.
    """
    found = {}
    for name, hint in shape.items():
        if name in document:
            try:
                found[name] = _fit(hint)(document[name])
            except _Misfit as error:
                raise DamagedDocument(where, f"`{name}` is {error}", advice) from error
    return found


def check_shape(shape: Shape, document: Mapping[str, object], where: str, advice: str = "") -> None:
    """As `fitting`, for a document that is kept as it is."""
    fitting(shape, document, where, advice)


class _Misfit(Exception):
    """A value that is not of its type, in a few words."""


@lru_cache(maxsize=256)
def _shape_of(kind: type) -> Shape:
    from dataclasses import fields

    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name] for each in fields(kind)}


@lru_cache(maxsize=256)
def _required(kind: type) -> frozenset[str]:
    from dataclasses import MISSING, fields

    return frozenset(
        each.name
        for each in fields(kind)
        if each.default is MISSING and each.default_factory is MISSING and each.init
    )


@lru_cache(maxsize=1024)
def _fit(hint: object) -> Callable[[Any], Any]:
    """A function that gives a value as `hint` has it, or raises `_Misfit`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return lambda value: value
    if origin is Annotated:
        return _checked(_fit(arguments[0]), arguments[1:])
    if origin in (Union, UnionType):
        return _one_of([_fit(each) for each in arguments if each is not NoneType], NoneType in arguments)
    if origin in (dict, Mapping):
        return _mapping(_fit(arguments[1]))
    if origin is list:
        return _items(_fit(arguments[0]), list)
    if origin is Sequence or (origin is tuple and arguments[1:] == (Ellipsis,)):
        return _items(_fit(arguments[0]), tuple)
    if origin is tuple:
        return _places([_fit(each) for each in arguments])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _member(hint)
    if hint is float:
        return _number
    if hint is int:
        return _integer
    return _instance(hint)


def _checked(inner: Callable[[Any], Any], checks: Sequence[Callable[[Any], bool]]) -> Callable[[Any], Any]:
    def fit(value: object) -> Any:
        found = inner(value)
        if not all(check(found) for check in checks):
            raise _Misfit(_shown(value))
        return found

    return fit


def _one_of(kinds: list[Callable[[Any], Any]], may_be_none: bool) -> Callable[[Any], Any]:
    def fit(value: object) -> Any:
        if value is None and may_be_none:
            return None
        for number, kind in enumerate(kinds):
            try:
                return kind(value)
            except _Misfit:
                if number == len(kinds) - 1:
                    raise
        raise _Misfit(_shown(value))

    return fit


def _mapping(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def fit(value: object) -> Any:
        if not isinstance(value, dict):
            raise _Misfit(_shown(value))
        return {name: inner(item) for name, item in value.items()}

    return fit


def _items(inner: Callable[[Any], Any], kind: Callable[[list[Any]], Any]) -> Callable[[Any], Any]:
    def fit(value: object) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _Misfit(_shown(value))
        return kind([inner(item) for item in value])

    return fit


def _places(inner: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def fit(value: object) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != len(inner):
            raise _Misfit(_shown(value))
        return tuple(each(item) for each, item in zip(inner, value, strict=True))

    return fit


def _member(kind: type[Enum]) -> Callable[[Any], Any]:
    def fit(value: object) -> Any:
        try:
            return kind(value)
        except ValueError as error:
            raise _Misfit(_shown(value)) from error

    return fit


def _number(value: object) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Misfit(_shown(value))
    if not (-_GREATEST < value < _GREATEST if isinstance(value, int) else math.isfinite(value)):
        raise _Misfit(_shown(value))
    return value


def _integer(value: object) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or not -_GREATEST < value < _GREATEST:
        raise _Misfit(_shown(value))
    return value


def _instance(kind: Any) -> Callable[[Any], Any]:
    def fit(value: Any) -> Any:
        if not isinstance(value, kind):
            raise _Misfit(_shown(value))
        return value

    return fit


def _shown(value: object) -> str:
    """A value in a message: short, and nothing of what an object or a list holds."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, int) and not -_GREATEST < value < _GREATEST:
        return "a number out of range"
    return _cut(json.dumps(value, default=str))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_deep(data: bytes | str) -> bool:
    """Whether a text may be nested deeper than `DEPTH`: cheap, and never wrong about one that is."""
    if isinstance(data, str):
        return data.count("[") + data.count("{") > DEPTH
    return data.count(b"[") + data.count(b"{") > DEPTH


def _depth(value: object) -> int:
    deepest, left = 0, [(value, 1)]
    while left:
        item, level = left.pop()
        if isinstance(item, (dict, list)):
            deepest = max(deepest, level)
            inner = item.values() if isinstance(item, dict) else item
            left += [(each, level + 1) for each in inner]
    return deepest
