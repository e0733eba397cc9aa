"""What an attempt's document notes beside its state, by name; what another version notes is carried along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast


@dataclass(frozen=True)
class Notes:
    """A typed view of `notes`, whose JSON stays as it was read. `documents` checks the types."""

    values: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, **values: object) -> Notes:
        """Notes by name."""
        return cls(values)

    def changed(self, **values: object) -> Notes:
        """A copy with other values for some names."""
        return Notes({**self.values, **values})

    @property
    def will_retry(self) -> bool:
        """Whether another attempt follows this one by itself."""
        return bool(self.values.get("will_retry"))

    @property
    def retry_of(self) -> int | None:
        """The attempt that this one tries again by itself."""
        return cast("int | None", self.values.get("retry_of"))

    @property
    def series_start(self) -> int | None:
        """The first attempt of the series of retries that this one is of."""
        return cast("int | None", self.values.get("series_start"))

    @property
    def resumes(self) -> int | None:
        """The attempt before the series whose outputs it begins with."""
        return cast("int | None", self.values.get("resumes"))

    @property
    def cancel_grace(self) -> float | None:
        """Seconds of grace that whoever asked for a stop gives, in place of the job's own."""
        return cast("float | None", self.values.get("cancel_grace"))

    @property
    def base(self) -> Path:
        """The folder that relative paths of the job are resolved against."""
        return Path(str(self.values.get("base") or "."))

    @property
    def tree_digest(self) -> str:
        """The digest of the source tree that was copied; empty where none was."""
        return str(self.values.get("tree_digest") or "")

    @property
    def git(self) -> Mapping[str, object]:
        """The source's `commit`, `branch` and whether it is `dirty`; empty where git told nothing."""
        return cast("Mapping[str, object] | None", self.values.get("git")) or {}

    @property
    def portal_url(self) -> str | None:
        """The page of the run in its service's portal."""
        return cast("str | None", self.values.get("portal_url"))
