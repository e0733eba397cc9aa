"""The settings of the target: what is `compute.tiny` in a job."""

from __future__ import annotations

from pulumi_training.spec.settings import UnlimitedSettings, address


class TinySettings(UnlimitedSettings):
    """How the process runs. The limits of containers are taken too, and mean nothing here."""

    niceness: int | None = address(
        tunes=True,
        description="How far the process stands back behind others, as `nice -n` takes it; not at all by default.",
        ge=0,
        le=19,
        example=10,
    )
