"""The answer of a check of `doctor`: what a target needs, looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """How it is: `FAIL` is something that the local target cannot do without."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing looked at; `remedy` is the command, or the words, that mend it."""

    name: str
    state: State
    message: str
    remedy: str = ""
