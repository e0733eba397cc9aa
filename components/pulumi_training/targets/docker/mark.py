"""The marks of attempts at a Docker daemon."""

from __future__ import annotations

from ..containers.mark import MarkFile

MARK = MarkFile("docker")
