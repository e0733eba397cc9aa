"""Everything a training job takes, as one model: the wire form of `TrainingJob`'s inputs.

Names are those of Azure ML's `Estimator` and `command()` wherever the meaning is theirs.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .compute import ComputeRef, EnvironmentRef
from .data import InputSpec, OutputSpec
from .environment import EnvironmentSpec
from .fields import Model, ignored, inplace, key
from .policy import Backend, LogOutput, OnCancel, RerunFailed, Retries

WholeNumber = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class JobSpec(Model):
    """A training job as declared. Paths are relative to the program's folder; times are in seconds."""

    # What runs
    name: str | None = ignored(
        None,
        description="The job's name, the first part of its run id; the resource's name by default.",
        example="fit",
    )
    source_directory: str = ignored(
        ".",
        description="The folder that is copied into the run and is the script's working directory.",
        example="./src",
    )
    entry_script: str | None = key(
        None, description="The Python script to run, relative to the source directory.", example="train.py"
    )
    command: str | None = key(
        None,
        description="A shell command to run in place of an entry script.",
        example="python train.py --epochs 5",
    )
    arguments: list[str] = key(
        [],
        description="Arguments of the script, in order; `${data.<name>}` is the local path of an input or output. "
        "The Python SDK makes them of `script_params`.",
        example=["--epochs", "5"],
    )
    environment: EnvironmentSpec | None = key(None, description="The software of the run, declared in place.")
    environment_ref: EnvironmentRef | None = key(
        None, description="The software of the run: the `ref` output of an Environment."
    )
    environment_variables: dict[str, str] = key(
        {}, description="Variables of the script's environment.", example={"OMP_NUM_THREADS": "2"}
    )
    secret_environment_variables: dict[str, str] = ignored(
        {},
        description="Variables that hold secrets: encrypted in state, masked in logs, never part of the run key.",
        secret=True,
    )

    # Where and how wide
    compute: ComputeRef | None = ignored(
        None, description="Where to run: the `ref` output of a ComputeCluster."
    )
    node_count: WholeNumber = key(1, description="How many nodes.", example=2)
    process_count_per_node: WholeNumber = key(1, description="How many processes on each node.", example=2)
    distributed_backend: Backend | None = key(
        None,
        description="How processes find one another: mpi, gloo, nccl or tensorflow; none for one process.",
        example="mpi",
    )
    worker_count: WholeNumber | None = key(
        None, description="With tensorflow: how many processes are workers.", example=3
    )
    parameter_server_count: Annotated[int, Field(ge=0)] = key(
        0, description="With tensorflow: how many processes are parameter servers.", example=1
    )
    use_gpu: bool = key(False, description="Whether every process must own a GPU.")
    shm_size: str | None = key(
        None,
        description="Size of the shared memory of a container.",
        pattern=r"^[0-9]+(\.[0-9]+)?[bkmgBKMG]?$",
        example="2g",
    )

    # Data
    inputs: dict[str, InputSpec] = key({}, description="Data that the script reads, by name.")
    outputs: dict[str, OutputSpec] = key(
        {},
        description="Folders that the script writes and that are delivered elsewhere, by name. `./outputs` needs no mention.",
    )
    resume_from: str | None = key(
        None,
        description="A run id, or a folder or URL of earlier outputs: TRAINING_RESUME_FROM inside the script.",
        example="fit-1a2b3c4d5e",
    )

    # What makes it run again
    source_digest: str | None = key(
        None,
        description="What stands for the source tree; computed where it is left out. A given one wins, as one "
        "kept by ignoreChanges does.",
        example="sha256:0f3a",
    )
    triggers: list[str] = key(
        [], description="Any texts; the job runs again when one changes.", example=["2026-11"]
    )
    source_max_bytes: WholeNumber = ignored(
        300 * 2**20, description="The largest source tree taken, in bytes."
    )
    source_max_files: WholeNumber = ignored(20_000, description="The most files a source tree may have.")

    # Limits and policies
    max_run_duration_seconds: Seconds | None = inplace(
        None, description="The longest the script may run, in seconds.", example=3600
    )
    queue_timeout_seconds: Seconds | None = inplace(
        None, description="The longest wait for slots, in seconds.", example=600
    )
    stall_timeout_seconds: Seconds | None = inplace(
        None,
        description="The longest silence: no log byte, no metric and no file written, in seconds.",
        example=900,
    )
    grace_period_seconds: Annotated[float, Field(ge=0)] = inplace(
        30.0,
        description="How long a script may go on after SIGTERM before it is killed, in seconds.",
        example=30,
    )
    retries: Retries = inplace(Retries(), description="How often the job is tried, and after which failures.")
    rerun_failed: RerunFailed = inplace(
        RerunFailed.ON_UP,
        description="When a script that failed is run again: at the next `pulumi up`, or only when "
        "something changed.",
    )
    expect: dict[str, str] = inplace(
        {},
        description="Bounds on metrics, as `>=0.93`, `best <0.2` or `every <10`; one that is not met fails the update.",
        example={"accuracy": ">=0.93"},
    )
    metrics_rank: Annotated[int, Field(ge=0)] = inplace(
        0, description="The rank whose metrics are the job's."
    )
    wait: bool = inplace(True, description="Whether `pulumi up` waits for the run's end.")
    on_cancel: OnCancel = inplace(OnCancel.DETACH, description="What Ctrl-C does to the run: detach or stop.")
    purge_on_delete: bool = inplace(False, description="Whether deleting the job deletes its record too.")
    log_output: LogOutput = inplace(
        LogOutput.PROGRESS, description="What the resource's row shows of the log: progress, lines or none."
    )

    # Words about it
    experiment_name: str | None = inplace(
        None, description="The experiment the run belongs to.", example="digits"
    )
    display_name: str | None = inplace(None, description="A name for people.", example="Digits, two nodes")
    description: str | None = inplace(None, description="What the job is for.")
    tags: dict[str, str] = inplace({}, description="Labels of the run.", example={"team": "vision"})

    @property
    def world_size(self) -> int:
        """How many processes in all."""
        return self.node_count * self.process_count_per_node

    @property
    def is_distributed(self) -> bool:
        """Whether ranks are started by a launcher; one process without a backend is started directly."""
        return self.distributed_backend is not None
