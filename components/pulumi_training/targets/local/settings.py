"""The settings of this machine as a target."""

from __future__ import annotations

from ...spec.settings import UnlimitedSettings


class LocalSettings(UnlimitedSettings):
    """Limits of containers: taken, so that a program can change its target, and without effect on this machine."""
