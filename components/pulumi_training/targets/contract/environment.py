"""What makes the software of an Environment resource for a target, before any run wants it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from ...spec.environment import EnvironmentSpec
    from ...spec.errors import Problem


@dataclass(frozen=True)
class Made:
    """An environment that is there; `outputs` are the output properties that only this target has, by wire name."""

    location: str
    packages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)


class EnvironmentMaker(ABC):
    """Makes environments of one target. `source` is the folder that their files are relative to.

    `settings` are the inputs of the resource that only say where it is made, by wire name, as a daemon's address.
    """

    not_before_made: ClassVar[tuple[str, ...]] = ()
    """Output properties that a preview must not take from the inputs of the same name."""

    @abstractmethod
    def problems(self, spec: EnvironmentSpec, source: Path) -> list[Problem]:
        """Everything wrong with the declaration, as far as it can be seen without work."""

    @abstractmethod
    def digest(self, spec: EnvironmentSpec, source: Path) -> str:
        """The digest of what is declared.

        Raises:
            SpecError: a file is missing.
        """

    @abstractmethod
    def make(
        self, spec: EnvironmentSpec, source: Path, settings: Mapping[str, str], tell: Callable[[str], None]
    ) -> Made:
        """Builds it, or finds it.

        Raises:
            PermanentError: with EnvironmentFailed, ImageBuildFailed or ImagePullFailed.
            TransientError: worth another try.
        """

    @abstractmethod
    def is_there(self, spec: EnvironmentSpec, source: Path, settings: Mapping[str, str], digest: str) -> bool:
        """Whether what has this digest is there still.

        Raises:
            TransientError: nobody answers, which says nothing.
        """
