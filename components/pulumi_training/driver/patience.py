"""What a driver bears with: a target that is silent for a while, and what is only for show and cannot be written."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..spec.errors import TrainingError

log = logging.getLogger(__name__)
UNANSWERED_SECONDS = 600.0
"""For how long a target may say nothing of what was submitted to it."""


def quietly(step: Callable[..., object], *arguments: object, **named: object) -> None:
    """Does what is only for show: a full disk or a store that does not answer must not end a live run."""
    try:
        step(*arguments, **named)
    except TrainingError as error:
        log.warning("%s", error.message)
