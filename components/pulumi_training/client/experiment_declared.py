"""A run that a Pulumi program declares: what a Run answers, as Outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import pulumi

from ..resources.training_job import TrainingJob
from ..spec.errors import TrainingError


class DeclaredRun:
    """The run of a TrainingJob in a program; `job` is the resource, every other member an Output of it."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job

    @property
    def id(self) -> pulumi.Output[str]:
        """The run's id."""
        return self.job.run_id

    @property
    def status(self) -> pulumi.Output[str]:
        """Where the run stands."""
        return self.job.status

    @property
    def outputs_location(self) -> pulumi.Output[str]:
        """Where `./outputs` of the script is kept."""
        return self.job.outputs_location

    @property
    def logs_location(self) -> pulumi.Output[str]:
        """Where `./logs` of the script is kept."""
        return self.job.logs_location

    def get_status(self) -> pulumi.Output[str]:
        """See `status`."""
        return self.job.status

    def get_details(self) -> pulumi.Output[Mapping[str, Any]]:
        """The details in Azure ML's words, as far as the resource tells them."""
        job = self.job
        return pulumi.Output.all(
            runId=job.run_id,
            status=job.status,
            startTimeUtc=job.started_at,
            endTimeUtc=job.ended_at,
            error=job.failure,
            outputsLocation=job.outputs_location,
            logsLocation=job.logs_location,
            warnings=job.warnings,
        )

    def get_metrics(self) -> pulumi.Output[Mapping[str, float]]:
        """The last value of each metric; `Run.get(id).get_metrics()` has them all."""
        return self.job.metrics

    def get_file_names(self) -> pulumi.Output[Sequence[str]]:
        """The names of the first 100 files of the outputs."""
        return self.job.files.apply(lambda files: [f"outputs/{file['path']}" for file in files or ()])

    def __getattr__(self, name: str) -> NoReturn:
        known = "" if name.startswith("_") else (
            f"a run that a program declares has no {name!r}: it is there only after `pulumi up`; use its Outputs here, "
            f"or training.Run.get(run_id).{name} in a notebook"
        )  # fmt: skip
        raise AttributeError(known or name)

    def wait_for_completion(self, *_: object, **__: object) -> NoReturn:
        """`pulumi up` waits for a declared run.

        Raises:
            TrainingError: always.
        """
        raise TrainingError(
            "a Pulumi program only declares its runs, and `pulumi up` waits for them; use Outputs here, or "
            "training.Run.get(run_id) in a notebook"
        )
