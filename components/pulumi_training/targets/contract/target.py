"""The contract that every place keeps: prepare, plan, submit, observe, mirror, cancel, collect, remove, leftovers.

What a target need not offer is a mix-in (`capabilities`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from .handle import ComputeReference, Handle
from .observation import Observation
from .plan import Plan
from .run import Prepared, RunSpec

Tell = Callable[[str], None]
"""Takes one short line for a person who waits."""


class Target(ABC):
    """A place where runs execute. Methods may be called from any thread; none keeps state between processes.

    Each call that speaks of a submitted attempt gets the compute reference and the attempt's: any machine that has the
    record can make both, and is answered by the backend. A machine that cannot reach the backend, for want of a secret
    or because nobody answers, is told so (`TransientError`, NotResponding) and never that the attempt is gone.
    """

    name: ClassVar[str]
    leaves: ClassVar[str]
    """What is left at the backend of an attempt that nobody takes away, in a word for people."""
    submits_by_requests: ClassVar[bool] = False
    """Whether what `submit` starts is no child of the process that calls it, so that any process may."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules of other packages that its methods import when they are called: a driver loads them while the run runs."""

    @abstractmethod
    def prepare(self, run: RunSpec, tell: Tell) -> Prepared:
        """Makes environment or image and brings the data; idempotent.

        Raises:
            PermanentError: with EnvironmentFailed, ImageBuildFailed, ImagePullFailed or DataUnavailable.
            TransientError: worth another try.
        """

    @abstractmethod
    def find_prepared(self, run: RunSpec) -> Prepared | None:
        """What `prepare` would answer, where that is known without work."""

    @abstractmethod
    def plan(self, run: RunSpec, prepared: Prepared | None) -> Plan:
        """The request for an attempt. Pure; with None for `prepared`, what is not known yet is marked."""

    @abstractmethod
    def submit(self, plan: Plan, run: RunSpec) -> Handle:
        """Starts the attempt; one that lives already under this run id and attempt is adopted."""

    @abstractmethod
    def observe(self, compute: ComputeReference, handles: Sequence[Handle]) -> Mapping[Handle, Observation]:
        """Where attempts of one cluster stand: one question to the backend, however many they are.

        Every one of `handles` is answered. Of those that could not be asked for the answer is NotResponding and says
        why; nothing is raised for it. May be called as often as the caller likes.
        """

    @abstractmethod
    def mirror(self, compute: ComputeReference, handle: Handle, folder: Path) -> bool:
        """Keeps logs, rank facts and metrics of a live attempt in `folder`, laid out as the attempt's own.

        The driver calls it at every look, and after the end until it answers True: all that was written until now is
        there. It waits for nobody: what takes time goes on between calls. Outputs come with `collect`. A target whose
        attempts write into that folder themselves has nothing to do.

        Raises:
            TransientError: the backend did not answer.
            StoreError: this machine does not take what comes.
        """

    def release(self, handles: Iterable[Handle]) -> None:  # noqa: B027 - a target that holds nothing has nothing to close
        """Lets go of what `observe` and `mirror` hold open in this process; the next call of one opens it again."""

    @abstractmethod
    def cancel(self, compute: ComputeReference, handle: Handle, grace: float) -> None:
        """Stops the attempt and returns when it has SEEN it stopped; `grace` in seconds. Idempotent.

        Raises:
            TransientError: whether it runs cannot be told from here, or something of it still does.
        """

    @abstractmethod
    def collect(self, compute: ComputeReference, handle: Handle, run: RunSpec, tell: Tell) -> None:
        """Brings outputs and logs into the attempt's folder and delivers named outputs; resumable.

        Raises:
            PermanentError: with CollectFailed.
            TransientError: worth another try.
        """

    @abstractmethod
    def remove(self, compute: ComputeReference, handle: Handle) -> None:
        """Removes the backend's objects of an attempt; its record stays. Idempotent.

        Raises:
            TransientError: what there is cannot be told from here, or something of it survives.
        """

    @abstractmethod
    def leftovers(self, compute: ComputeReference | None, tell: Tell) -> Iterable[Handle]:
        """Every attempt that lives or left something: of a cluster's workspace and store, or where None is given of
        this user, from this machine, whatever its workspace. `tell` is told of backends that did not answer.
        """
