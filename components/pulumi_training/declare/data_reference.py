"""Data in a program: what a datastore's `as_mount()` gives, to be used in `script_params` and `inputs`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pulumi


@dataclass(frozen=True)
class DataReference:
    """A folder of a datastore and how the script gets it.

    In `script_params` it stands for the local path of the data. `fingerprint="ignored"` says that changed data
    must not train again; left out, the content counts.
    """

    name: str
    uri: pulumi.Input[str]
    mode: str = "mount"
    path_on_compute: str | None = None
    fingerprint: str | None = None

    @property
    def argument(self) -> str:
        """How an argument refers to the data."""
        return f"${{data.{self.name}}}"

    @property
    def is_output(self) -> bool:
        """Whether the script writes it."""
        return self.mode == "upload"

    def named(self, name: str) -> DataReference:
        """The same data under another name."""
        return replace(self, name=name)

    def to_wire(self) -> dict[str, pulumi.Input[str]]:
        """The entry of the job's `inputs` or `outputs`."""
        entry: dict[str, pulumi.Input[str]] = {"uri": self.uri, "mode": self.mode}
        if self.path_on_compute is not None:
            entry["pathOnCompute"] = self.path_on_compute
        if self.fingerprint is not None and not self.is_output:
            entry["fingerprint"] = self.fingerprint
        return entry
