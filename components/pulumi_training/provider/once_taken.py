"""What an earlier version took and this one refuses: of a resource that has it already, it is worth a warning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..spec.errors import Problem
from .wire import unwrap_secrets

_STEP = re.compile(r"[^.\[\]]+")


def taken_before(
    problems: Iterable[Problem],
    before: Sequence[Problem],
    new: Mapping[str, object],
    old: Mapping[str, object],
) -> tuple[list[Problem], list[str]]:
    """The problems that are new, and words about the others.

    `before` is what the target refuses of the inputs in state, `old`. They passed the Check of their time, so the
    refusal came with a newer version; where the same value still has it, the resource must not be stuck with it.
    """
    left, words = [], []
    known = {(problem.path, problem.message) for problem in before}
    for problem in problems:
        is_kept = (problem.path, problem.message) in known
        if is_kept and _at(new, problem.path) == _at(old, problem.path):
            words.append(
                f"{problem.path}: {problem.message}. This resource has it already, so it is only a warning"
            )
        else:
            left.append(problem)
    return left, words


def _at(inputs: Mapping[str, object], path: str) -> Any:
    """What stands at a property's path; None where nothing does."""
    value, _ = unwrap_secrets(dict(inputs))
    for step in _STEP.findall(path):
        value = value.get(step.strip('"')) if isinstance(value, Mapping) else None
    return value
