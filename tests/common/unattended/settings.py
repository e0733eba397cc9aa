"""The setting of the service: where it is."""

from __future__ import annotations

from pulumi_training.spec.settings import TargetSettings, address


class UnattendedSettings(TargetSettings):
    """Where the service is."""

    address: str | None = address(description="The service's address.", example="http://127.0.0.1:8080")
