"""What a training job gives back: its output properties on Pulumi's wire."""

from __future__ import annotations

from typing import Any

from .fields import Model, ignored
from .outcome import Reason, Status


class FileEntry(Model):
    """One file of a run's outputs."""

    path: str = ignored(description="Relative to the outputs folder.")
    size: int = ignored(description="In bytes.")
    sha256: str = ignored(description="Of its content.")


class Failure(Model):
    """Who failed first, and of what."""

    reason: Reason = ignored(description="The reason, a word of the outcome table.")
    message: str = ignored(description="In one sentence.")
    rank: int | None = ignored(None, description="The first rank to fail.")
    node: int | None = ignored(None, description="The node it was on.")
    exit_code: int | None = ignored(None, description="Its exit code.")
    signal: str | None = ignored(None, description="The signal that killed it.")
    exception: str | None = ignored(None, description="Its last exception line.")
    log_tail: str = ignored("", description="Its last lines, 4 KiB at most.")
    advice: str = ignored("", description="What to do next.")


class GitState(Model):
    """Where the source came from."""

    commit: str = ignored(description="The commit that was checked out.")
    branch: str | None = ignored(None, description="The branch, if one was checked out.")
    dirty: bool = ignored(False, description="Whether the source directory had changes beside the commit.")


class JobOutputs(Model):
    """Output properties of `TrainingJob`, beside its inputs. Times are ISO 8601 in UTC, durations seconds."""

    run_id: str = ignored(description="The run's id, the resource's id too.")
    run_key: str = ignored(description="What decides the result, as one digest.")
    source_digest: str = ignored(description="The digest of the source tree.")
    attempt: int = ignored(description="The newest attempt of the run, from 1.")
    status: Status = ignored(description="Where the run stands.")
    reason: Reason | None = ignored(None, description="Why it ended as it did.")
    failure: Failure | None = ignored(None, description="Who failed first, and of what.")
    outputs_location: str = ignored(description="Where `./outputs` of the script is kept.")
    logs_location: str = ignored(
        description="Where `./logs` of the script is kept; `std/rank-N.log` is what rank N printed."
    )
    record_location: str = ignored(description="Where the record of the run is kept.")
    metrics: dict[str, float] = ignored({}, description="The last value of each metric.")
    files: list[FileEntry] = ignored([], description="The first 100 files of the outputs.")
    file_count: int = ignored(0, description="How many files the outputs have.")
    manifest: str | None = ignored(None, description="The digest of all output files.")
    git: GitState | None = ignored(
        None, description="The commit of the source, where it is in a git repository."
    )
    mlflow_run_id: str | None = ignored(
        None, description="The attempt's run in MLflow, where the workspace tracks runs."
    )
    tracking_url: str | None = ignored(
        None, description="The page of that run, where a tracking server shows it."
    )
    reproduce: str = ignored("", description="The command that repeats the run from its record.")
    environment_lock: list[str] = ignored([], description="Every installed package with its version.")
    warnings: list[str] = ignored([], description="What a person should know about the run.")
    submitted_at: str | None = ignored(None, description="When the attempt was submitted.")
    started_at: str | None = ignored(None, description="When the script started.")
    ended_at: str | None = ignored(None, description="When the attempt ended.")
    duration: float | None = ignored(None, description="From start to end, in seconds.")
    cost: float | None = ignored(None, description="nodeCount x duration x pricePerNodeHour.")

    def to_wire(self) -> dict[str, Any]:
        """The properties in camelCase, without those that are null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
