"""The error tree: what can be said, what can be tried again, what is final.

TrainingError
  SpecError        the declaration is wrong; nothing was started
  TransientError   worth another try, after `retry_after` seconds
  PermanentError   carries the `Reason` that the outcome table knows
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .outcome import Reason

if TYPE_CHECKING:
    from ..agent.forms import Forms

MESSAGE_LIMIT = 4096
"""Bytes of UTF-8 that a message may have: errors travel in state and over gRPC."""


class TrainingError(Exception):
    """Anything this package refuses or fails at, in words a person can act on.

    The message is cut at `MESSAGE_LIMIT` bytes, in the middle, so that the first and the last words stay.
    """

    def __init__(self, message: str) -> None:
        self.message = shorten(message)
        super().__init__(self.message)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a declaration.

    `path` is the property's path as Pulumi writes it (`nodeCount`, `environment.pipPackages[2]`; empty for
    the whole), `message` says what is wrong and what to write instead.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class SpecError(TrainingError):
    """A declaration that cannot be carried out, with every problem found in it."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def path(self) -> str:
        """The path of the first problem."""
        return self.problems[0].path if self.problems else ""


class TransientError(TrainingError):
    """A failure that may pass by itself; `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float = 5.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class PermanentError(TrainingError):
    """A failure that will not pass by itself, with its reason and, where there is one, the log to read."""

    def __init__(self, reason: Reason, message: str, *, log_tail: str = "") -> None:
        self.reason = reason
        self.log_tail = shorten(log_tail)
        super().__init__(message)


def shorten(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Cuts `text` to `limit` bytes of UTF-8 by taking out its middle."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    mark = f"\n... {len(raw) - limit} bytes left out ...\n".encode()
    room = max(0, limit - len(mark))
    head, tail = raw[: room // 2], raw[len(raw) - (room - room // 2) :]
    return (head + mark + tail).decode("utf-8", "ignore")


def mask(text: str, secrets: Iterable[str], *, short: bool = True) -> str:
    """`text` with `[secret]` in place of each of `secrets`, however it is written (`agent.forms`).

    Without `short`, those that count only where they stand alone are left: for names and addresses, of which a
    secret of a letter or two may well be a part.
    """
    wanted = frozenset(secrets)
    if not wanted or not text:
        return text
    from ..agent.forms import as_bytes
    from ..agent.mask import replaced

    raw = as_bytes(text)
    spans = _forms_of(wanted).spans(raw, alone=short)
    return replaced(raw, spans).decode("utf-8", "surrogateescape") if spans else text


@lru_cache(maxsize=64)
def _forms_of(secrets: frozenset[str]) -> Forms:
    from ..agent.forms import Forms

    return Forms(secrets)
