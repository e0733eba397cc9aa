"""What is needed to speak of an attempt again: where its backend is, and which attempt it is.

Both can be made by any process that has the record, on any machine; what a working folder of one machine knows besides is
a shortcut, and never the only way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...spec.document import fields_of
from ...spec.secrecy import reveal
from ..withheld import given, held_by

if TYPE_CHECKING:
    from .run import RunSpec

_NO_ADDRESS = frozenset(
    {"cluster", "trackingUri", "maxNodes", "slotsPerNode", "gpusPerNode", "pricePerNodeHour"}
)


@dataclass(frozen=True)
class ComputeReference:
    """A cluster as a record has it: which target, and where its backend is.

    `document` is the recorded `compute`, where secrets are names; `run_id` is the run whose record it is, to which the
    names belong, and `store` the identity of its store. `secrets` are those that the caller has besides the ones that
    were lent to this process (`targets.withheld`).
    """

    document: Mapping[str, Any] = field(hash=False)
    run_id: str = ""
    store: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def target(self) -> str:
        """The target's name."""
        return str(self.document.get("target", ""))

    @property
    def settings(self) -> dict[str, Any]:
        """The target's settings as they are used.

        Raises:
            TransientError: this process was not given one that is secret; names it, and who has it.
        """
        recorded = reveal(self.recorded_settings, self.secrets)
        return given(held_by(recorded, self.run_id), self._path)

    @property
    def recorded_settings(self) -> dict[str, Any]:
        """The target's settings as they are recorded, secrets by name: texts of the old map, and of its own object.

        A setting is in one of them, or in both with the same meaning (`spec.settings`).
        """
        return {**(self.document.get("settings") or {}), **self._own}

    @property
    def key(self) -> str:
        """What attempts of one workspace have in common, so that they are asked for in one question.

        Raises:
            TransientError: as `settings` does.
        """
        same = {name: value for name, value in self.document.items() if name not in _NO_ADDRESS}
        same.pop(self.target, None)
        text = json.dumps({**same, "settings": self.settings}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def _own(self) -> dict[str, Any]:
        own = self.document.get(self.target)
        return (
            {name: value for name, value in own.items() if value is not None} if isinstance(own, dict) else {}
        )

    def _path(self, setting: str) -> str:
        return f"compute.{self.target if setting in self._own else 'settings'}.{setting}"


@dataclass(frozen=True)
class Handle:
    """Which attempt is meant: run id, number, and the identity of its store, empty for attempts that began before stores
    had one. It is recorded once the attempt was submitted, and can be rebuilt from these at any time.

    `settings` say where the backend was found when it was submitted, secrets by name only (`targets.withheld`); they win
    over the cluster, which may have been given another address since. `folder` is the attempt's working folder on this
    machine; `began_in` is the one that it began with, where that is another: of a store that was moved, or of another
    machine or state folder. `driven_on` is the
    machine that drove it last while it lives, where that is another than this one: what this machine's folder does not
    know is no proof of anything then.
    """

    target: str
    run_id: str
    attempt: int
    folder: str
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)
    store: str = ""
    began_in: str = ""
    driven_on: str = ""

    @classmethod
    def of(cls, target: str, run: RunSpec, settings: Mapping[str, str] | None = None) -> Handle:
        """The handle of an attempt as a target sees it."""
        return cls(
            target,
            run.run_id,
            run.attempt,
            str(run.folder),
            dict(settings or {}),
            run.store,
            driven_on=run.driven_on,
        )

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What tells an attempt from all others, of whatever store: run id, number, store's identity, folder."""
        return self.run_id, self.attempt, self.store, self.folder

    def owns(self, store: str, folder: str) -> bool:
        """Whether something at the backend is this attempt's; it bears its run id and number, and these two marks.

        What was started for another folder belongs to that one as long as it is there (`agent.marks.is_elsewhere`).
        Where there is no identity, the folder alone tells.
        """
        from ...agent.marks import is_elsewhere, is_same

        if store != self.store:
            return False
        if folder and folder == self.began_in:
            return True
        if store:
            return not is_elsewhere(folder, self.folder, store)
        return bool(folder) and is_same(folder, self.folder)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` reads it back. Fields that say nothing, and what holds on one machine, are left out."""
        kept = {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("store", "began_in", "driven_on")
        }
        return {**kept, **({"store": self.store} if self.store else {})}

    @classmethod
    def from_json(cls, document: Mapping[str, object], where: str = "the handle in attempt.json") -> Handle:
        """Reads what `to_json` wrote. Raises `DamagedDocument`, which names `where`."""
        return cls(**fields_of(cls, document, where))
