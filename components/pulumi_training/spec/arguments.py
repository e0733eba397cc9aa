"""`script_params` as an ordered list of strings, in the program's own process.

Maps lose their order on Pulumi's wire and numbers become doubles there, so the list is made before it. The
rules are those of Azure ML's Estimator with one difference: an empty string stays an argument, and a flag
without a value is `True`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def flatten(parameters: Mapping[object, object], render: Callable[[Any], str] | None = None) -> list[str]:
    """`{"--epochs": 5, "--sizes": [1, 2], "--verbose": True}` as `["--epochs", "5", "--sizes", "1", "2", "--verbose"]`.

    `True` gives the name alone and `False` leaves it out; `None` gives the name alone, as the Estimator does;
    a list or tuple gives one argument for each item, without its `None`s; all else one argument.
    Numbers are written as Python writes them (`1.0` stays `1.0`, integers keep every digit).
    Text that looks like a reference to data is escaped, so that it reaches the script as it is written.
    `render` turns values that are not plain (data references, outputs) into arguments.

    Raises:
        TypeError: a value is a mapping or a set, which have no order to give arguments in, or has no text of its own.
    """
    flat: list[str] = []
    for name, value in parameters.items():
        if value is False:
            continue
        flat.append(_text(name, render))
        if value is True or value is None:
            continue
        items: Iterable[Any] = value if isinstance(value, (list, tuple)) else (value,)
        flat.extend(_text(item, render) for item in items if item is not None)
    return flat


def text_of(value: object) -> str:
    """The text of a value that is not plain, as a path, a date or a number of an array library.

    Raises:
        TypeError: its text would be a place in memory, which is another one each time, or it is data without a mode.
    """
    kind = type(value)
    if hasattr(value, "as_mount"):
        raise TypeError(
            f"a {kind.__name__} is data without a mode; write .as_mount(), .as_download() or .as_upload() after it"
        )
    if isinstance(value, Iterable) and not isinstance(value, os.PathLike):
        raise TypeError(f"a {kind.__name__} has several values; write list(...) around it")
    has_text = any("__str__" in each.__dict__ or "__repr__" in each.__dict__ for each in kind.__mro__[:-1])
    if callable(value) or not has_text:
        raise TypeError(f"{value!r} is no argument; give a text, a number or a path")
    return str(value)


def escape(text: str) -> str:
    """`text` with every `${data.` in it escaped: the argument that means just that text."""
    return text.replace("${data.", "$${data.")


def _text(value: object, render: Callable[[Any], str] | None) -> str:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(value, bytes):
        raise TypeError(f"{value!r} is bytes; decode it to text first")
    if isinstance(value, (Mapping, set, frozenset)):
        raise TypeError(f"{value!r} is a {type(value).__name__}; give a list, or one parameter for each item")
    return render(value) if render else escape(text_of(value))
