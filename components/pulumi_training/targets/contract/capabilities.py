"""What a target need not offer: mix-ins, asked for by `isinstance`.

| capability | local | docker | kubernetes | azureml |
|---|---|---|---|---|
| Queues: we admit runs to slots ourselves | yes | yes | the cluster's | the service's |
| Amends: limits of a live attempt change in place | yes | yes | yes | yes |
| BuildsImages: an attempt runs in an image made of its environment | no | yes | yes | yes |
| RunsUnattended: nobody of ours need stay with a live attempt | no | no | yes | yes |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .handle import ComputeReference, Handle
    from .plan import Plan
    from .run import RunSpec


class Queues(ABC):
    """A target whose slots are ours to give: first come, first served, across processes."""

    @abstractmethod
    def enter(self, plan: Plan, run: RunSpec) -> int | None:
        """The attempt's place in the queue (1 is next), or None once it holds its slots. Called until then."""

    @abstractmethod
    def leave(self, run: RunSpec) -> None:
        """Gives back the slots, or the place in the queue. Idempotent."""


class Amends(ABC):
    """A target that brings changed tags and limits to an attempt that lives."""

    @abstractmethod
    def amend(self, compute: ComputeReference, handle: Handle, document: Mapping[str, object]) -> None:
        """Brings changed tags and limits to a live attempt; `document` is the job as it is now. Idempotent.

        Raises:
            TransientError: the backend did not answer.
        """


class BuildsImages:
    """A target whose attempts run in an image: what the environment asks for is built into one, or taken as it is."""


class RunsUnattended:
    """A target whose backend takes an attempt to its end by itself.

    There is no supervisor of ours: whoever has the record drives, looks as often as it likes, and may go away at any
    time. What `submit` starts is no child of the process that calls it.
    """
