"""A service that a test needs and that is not there: skipped on a person's machine, a failure where CI brings it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(service: str, reason: str) -> NoReturn:
    """Skips with the reason; fails where `TRAINING_REQUIRE`, names with commas between, has the service."""
    if service in os.environ.get("TRAINING_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)
