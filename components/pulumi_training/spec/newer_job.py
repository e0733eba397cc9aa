"""A job as a record has it, which may be of a newer version: what that one added is kept there, and left aside here."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from .compute import unknown_in
from .job import JobSpec
from .reading import path_of

NOT_KNOWN = "is not known to this version of pulumi-training, and does nothing here; it is kept"
_UNKNOWN = "extra_forbidden"


def recorded_job(document: Mapping[str, object]) -> JobSpec:
    """The job, without the properties that no version up to this one knows.

    Raises:
        ValidationError: a property that is known has a value that it cannot have.
    """
    try:
        return JobSpec.model_validate(document)
    except ValidationError as error:
        unknown = [line["loc"] for line in error.errors() if line["type"] == _UNKNOWN]
        if not unknown:
            raise
    left = copy.deepcopy(dict(document))
    for location in unknown:
        holder: Any = left
        for step in location[:-1]:
            holder = holder[step]
        del holder[location[-1]]
    return JobSpec.model_validate(left)


def unknown_in_record(document: Mapping[str, object]) -> list[str]:
    """The paths of the properties of a recorded job that `recorded_job` leaves aside, or only carries along."""
    found: list[str] = []
    try:
        JobSpec.model_validate(document)
    except ValidationError as error:
        found = [path_of(line["loc"]) for line in error.errors() if line["type"] == _UNKNOWN]
    job = recorded_job(document)
    if job.environment_ref is not None:
        found += unknown_in(job.environment_ref, "environmentRef")
    return found
