"""What is said about a launch request without the job's model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...launch.request import Limits
from ..base import Plan

MASTER_PORT = 29500
"""Stands in a plan for the free port that is found at submission."""


def limits(document: Mapping[str, Any]) -> Limits:
    """The limits that the agent keeps, from a job as recorded."""
    return Limits(
        run_seconds=document["maxRunDurationSeconds"],
        stall_seconds=document["stallTimeoutSeconds"],
        grace_seconds=document["gracePeriodSeconds"],
    )


def prefix_of(plan: Plan) -> Path:
    """The folder of the run's environment."""
    return Path(plan.request["prefix"])
