"""What must hold in a job that runs in containers."""

from __future__ import annotations

from collections.abc import Iterator

from ...spec.container_settings import container_settings
from ...spec.errors import Problem, SpecError
from ...spec.job import JobSpec
from ...spec.rules import Rule


def container_settings_can_be_read(job: JobSpec) -> Iterator[Problem]:
    """Limits of containers that can be understood."""
    if job.compute is not None:
        try:
            container_settings(job.compute.settings, job.shm_size)
        except SpecError as error:
            yield from error.problems


RULES: dict[Rule, tuple[str, ...]] = {container_settings_can_be_read: ("compute", "shm_size")}
"""Each rule and the fields it reads, as `spec.rules.RULES`."""
