"""What can be seen of attempts: their containers, asked for together, and their files, which streams keep up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ...record.store import StoreError
from ...spec.errors import TrainingError
from ...spec.outcome import Status
from ..containers.conclusion import Conclusion, concluded
from ..contract.handle import ComputeReference, Handle
from ..contract.observation import Observation
from . import nodes
from .follow import Followed, follow, let_go
from .locate import reaching
from .mark import MARK
from .nodes import NodeState


def observe(compute: ComputeReference, handles: Sequence[Handle]) -> dict[Handle, Observation]:
    """See `Target.observe`. A look at live attempts costs each daemon one question a second.

    An attempt whose agent died without a last word is Failed and has no facts of its launch. One of which
    no launch was begun is NotStarted, whatever lies around of it.

    Raises:
        StoreError: that an attempt is over cannot be noted on this machine.
    """
    found: dict[Handle, Observation] = {}
    followed: dict[Handle, Followed] = {}
    for handle in handles:
        conclusion = Conclusion.read(Path(handle.folder))
        if conclusion is not None:
            let_go(handle.folder)
            found[handle] = concluded(Path(handle.folder), conclusion, MARK)
            continue
        try:
            attempt = follow(compute, handle)
        except StoreError:
            raise
        except TrainingError as error:
            found[handle] = Observation.unanswered(error.message)
            continue
        if attempt is None:
            found[handle] = Observation(Status.NOT_STARTED)
        else:
            followed[handle] = attempt
    states = _states_of_many(followed)
    return found | {handle: _look(handle, each, states.get(handle)) for handle, each in followed.items()}


def mirror(compute: ComputeReference, handle: Handle) -> bool:
    """See `Target.mirror`; the folder is the handle's.

    Raises:
        TransientError: the daemon does not answer, or cannot be asked from here.
        StoreError: this machine cannot keep what comes.
    """
    if Conclusion.read(Path(handle.folder)) is not None:
        let_go(handle.folder)
        return True
    attempt = follow(compute, handle)
    return attempt is None or attempt.mirror()


def _look(handle: Handle, attempt: Followed, states: dict[int, NodeState] | None) -> Observation:
    try:
        seen = attempt.look(states)
    except StoreError:
        raise
    except TrainingError as error:
        return Observation.unanswered(error.message)
    if seen.status.is_terminal or seen.status is Status.NOT_STARTED:
        let_go(handle.folder)
    return seen


def _states_of_many(followed: Mapping[Handle, Followed]) -> dict[Handle, dict[int, NodeState]]:
    """The containers of attempts that are due for a look, by one question to each daemon that has several."""
    together: dict[tuple[tuple[str, str], ...], list[Handle]] = {}
    for handle, attempt in followed.items():
        if attempt.is_due:
            together.setdefault(tuple(sorted(attempt.address.items())), []).append(handle)
    found: dict[Handle, dict[int, NodeState]] = {}
    for address, handles in together.items():
        if len(handles) > 1:
            with suppress(TrainingError):  # each is told when it is looked at
                found |= _asked(dict(address), handles)
    return found


def _asked(address: Mapping[str, str], handles: Iterable[Handle]) -> dict[Handle, dict[int, NodeState]]:
    with reaching(address) as client:
        return nodes.states_of(client, handles)
