"""JSON without the `json` package, whose regular expressions and enums cost each rank 10 ms of start-up.

The C half of `json` does the reading and the quoting, as it does for `json` itself; where an interpreter has
none, `json` is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def loads(text: str) -> Any:
    """Reads one JSON value. Raises ValueError."""
    try:
        from _json import make_scanner
    except ImportError:
        import json

        return json.loads(text)
    stripped = text.strip(" \t\r\n")
    try:
        value, end = make_scanner(_Context)(stripped, 0)  # type: ignore[arg-type]
    except StopIteration as problem:
        raise ValueError(f"no JSON value at character {problem.value}") from None
    if end != len(stripped):
        raise ValueError(f"more than one JSON value: character {end}")
    return value


def dumps(value: object) -> str:
    """Writes strings, numbers, booleans, None, lists and string-keyed dicts, in ASCII. Raises TypeError."""
    try:
        from _json import encode_basestring_ascii as quote
    except ImportError:
        import json

        return json.dumps(value)
    return _dump(value, quote)


class _Context:
    """What the scanner asks of a `json.JSONDecoder`."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}

    @staticmethod
    def parse_constant(name: str) -> float:
        return float(name.replace("Infinity", "inf"))


def _dump(value: Any, quote: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return str(quote(value))
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join([_dump(item, quote) for item in value]) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join([f"{quote(name)}: {_dump(item, quote)}" for name, item in value.items()]) + "}"
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
