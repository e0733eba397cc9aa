"""What can be seen of attempts: their nodes, asked for together, and their files, which streams keep up to date."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...record.store import StoreError
from ...spec.errors import TrainingError
from ...spec.outcome import Status
from ..contract.handle import ComputeReference, Handle
from ..contract.observation import Observation
from .backend import Backend
from .conclusion import Conclusion, concluded
from .follow import Followed

if TYPE_CHECKING:
    from .transport import NodeState

_followed: dict[str, Followed] = {}
"""By folder: the attempts that this process follows."""
_following = threading.Lock()


def observe(
    backend: Backend[Any], compute: ComputeReference, handles: Sequence[Handle]
) -> dict[Handle, Observation]:
    """See `Target.observe`. A look at live attempts costs each backend one question a second.

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
            found[handle] = concluded(Path(handle.folder), conclusion, backend.mark)
            continue
        try:
            attempt = follow(backend, compute, handle)
        except StoreError:
            raise
        except TrainingError as error:
            found[handle] = Observation.unanswered(error.message)
            continue
        if attempt is None:
            found[handle] = Observation(Status.NOT_STARTED)
        else:
            followed[handle] = attempt
    states = _states_of_many(backend, followed)
    return found | {handle: _look(handle, each, states.get(handle)) for handle, each in followed.items()}


def mirror(backend: Backend[Any], compute: ComputeReference, handle: Handle) -> bool:
    """See `Target.mirror`; the folder is the handle's.

    Raises:
        TransientError: the backend does not answer, or cannot be asked from here.
        StoreError: this machine cannot keep what comes.
    """
    if Conclusion.read(Path(handle.folder)) is not None:
        let_go(handle.folder)
        return True
    attempt = follow(backend, compute, handle)
    return attempt is None or attempt.mirror()


def follow(backend: Backend[Any], compute: ComputeReference, handle: Handle) -> Followed | None:
    """The attempt as this process follows it; None where nothing of it is at its backend.

    One that was submitted from another folder, as on another machine, is found by its labels.

    Raises:
        TransientError: the backend does not answer, or cannot be asked from here.
    """
    with _following:
        found = _followed.get(handle.folder)
    if found is not None:
        return found
    mark = backend.mark.read(Path(handle.folder)) or _learned(backend, compute, handle)
    if not mark:
        return None
    with _following:
        return _followed.setdefault(handle.folder, Followed(backend, handle, mark))


def let_go(folder: str) -> None:
    """Stops following."""
    with _following:
        found = _followed.pop(folder, None)
    if found is not None:
        found.close()


def is_live(backend: Backend[Any], folder: Path) -> bool:
    """Whether nodes of an attempt run, so that its slots are taken; a backend that is silent counts as yes."""
    mark = backend.mark.read(folder)
    if not mark.get("begun") or Conclusion.read(folder) is not None:
        return False
    target = backend.mark.target
    handle = Handle(target, mark["run_id"], int(mark["attempt"]), str(folder), store=mark.get("store", ""))
    try:
        with backend.talking(backend.address_in(mark)) as transport:
            found = transport.states(handle)
    except TrainingError:
        return True
    return any(state.is_running for state in found.values())


def _learned(backend: Backend[Any], compute: ComputeReference, handle: Handle) -> Mapping[str, object]:
    address = backend.address_of_attempt(compute, handle, {})
    if not address:
        return {}
    with backend.reaching(address) as transport:
        states = transport.states(handle)
        if not states:
            backend.require_own(handle, address)
        return backend.learn_mark(transport, handle, address, states)


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


def _states_of_many(
    backend: Backend[Any], followed: Mapping[Handle, Followed]
) -> dict[Handle, dict[int, NodeState]]:
    """The nodes of attempts that are due for a look, by one question to each backend that has several."""
    together: dict[tuple[tuple[str, str], ...], list[Handle]] = {}
    for handle, attempt in followed.items():
        if attempt.is_due:
            together.setdefault(tuple(sorted(attempt.address.items())), []).append(handle)
    found: dict[Handle, dict[int, NodeState]] = {}
    for address, handles in together.items():
        if len(handles) > 1:
            with suppress(TrainingError):  # each is told when it is looked at
                found |= _asked(backend, dict(address), handles)
    return found


def _asked(
    backend: Backend[Any], address: Mapping[str, str], handles: Iterable[Handle]
) -> dict[Handle, dict[int, NodeState]]:
    with backend.reaching(address) as transport:
        states: dict[Handle, dict[int, NodeState]] = transport.states_of(handles)
        return states
