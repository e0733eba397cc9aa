"""From a handler's answer to the protobuf message the engine reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pulumi.runtime.proto import provider_pb2

from ..spec.errors import Problem
from . import wire
from .handler import ChangeKind, CheckAnswer, DiffAnswer, PropertyChange

_KINDS = {
    (ChangeKind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (ChangeKind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (ChangeKind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (ChangeKind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (ChangeKind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (ChangeKind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def check_response(answer: CheckAnswer, given: Mapping[str, object], problems: list[Problem]) -> Any:
    """The inputs, secret where the given ones were, and the problems.

    Refused inputs go back as they came: an unknown that Check would add makes the engine reject the whole answer
    outside of previews, and nobody would read the problems.
    """
    inputs = given if problems else answer.inputs
    return provider_pb2.CheckResponse(
        inputs=wire.encode(wire.keep_secrets(inputs, given)), failures=check_failures(problems)
    )


def check_failures(problems: list[Problem]) -> list[Any]:
    """The problems as Check answers them: each names its property in its words.

    Of a failure with a property of its own the engine (3.259) prints that property's value beside the reason: secrets in
    the clear, objects and lists in Go's notation, `<nil>` for whatever is inside of one.
    """
    return [provider_pb2.CheckFailure(reason=str(problem)) for problem in problems]


def diff_response(answer: DiffAnswer) -> Any:
    """The detailed diff of inputs, never empty when something changed."""
    changes = list(answer.changes)
    kind = provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=kind,
        diffs=_roots(changes),
        replaces=_roots([change for change in changes if change.replace]),
        detailedDiff={
            change.path: provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replace], inputDiff=True)
            for change in changes
        },
        hasDetailedDiff=True,
        deleteBeforeReplace=answer.delete_before_replace,
    )


def _roots(changes: list[PropertyChange]) -> list[str]:
    # `replaces` and `diffs` take top-level names only.
    return list(dict.fromkeys(re.split(r"[.\[]", change.path, maxsplit=1)[0] for change in changes))
