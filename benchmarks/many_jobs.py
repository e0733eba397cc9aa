"""One program with many jobs over one source tree, and the same with resources that do nothing."""

from __future__ import annotations

from dataclasses import dataclass

from .bench import Bench
from .pulumi_project import Project, make_project
from .trees import make_source

PROGRAM = '''
"""COUNT resources over ./src: training jobs, or resources that do nothing where KIND is noop."""

import os
import time

import pulumi

import pulumi_training as training
from pulumi_training import local as target

lab = target.Workspace("lab")
cluster = target.ComputeCluster("cpu", workspace=lab, slots_per_node=int(os.environ.get("SLOTS", "4")))


class Nothing(pulumi.CustomResource):
    def __init__(self, name, **inputs):
        super().__init__("noop:index:Nothing", name, inputs)


def nothing(name, number):
    Nothing(
        name,
        compute=cluster.ref,
        sourceDirectory="./src",
        entryScript="train.py",
        arguments=["--number", str(number)],
    )


def job(name, number):
    training.TrainingJob(
        name,
        compute=cluster,
        source_directory="./src",
        entry_script="train.py",
        script_params={"--number": number},
    )


declare = nothing if os.environ["KIND"] == "noop" else job
for number in range(int(os.environ["COUNT"])):
    declare(f"fit-{number}", number)

if "OTHER" in os.environ:
    declared = time.time()
    other = Nothing("other")

    def note(_):
        with open(os.environ["OTHER"], "w") as stream:
            stream.write(str(time.time() - declared))

    other.id.apply(note)
'''
PARALLEL = "64"
FILES = 300


@dataclass
class ManyJobs:
    """The two projects; `jobs` grows as it is asked for more finished jobs."""

    jobs: Project
    noop: Project
    count: int = 0

    def grow(self, bench: Bench, count: int) -> None:
        """Trains until there are `count` finished jobs, and brings the twin to the same number."""
        if count <= self.count:
            return
        bench.say(f"training {count - self.count} jobs, so that there are {count} finished ones")
        self.up("training", count)
        self.up("noop", count)
        self.count = count

    def up(self, kind: str, count: int) -> str:
        """`pulumi up` of so many resources."""
        project = self.noop if kind == "noop" else self.jobs
        return project.run(
            "up", "--yes", "--skip-preview", "--parallel", PARALLEL, KIND=kind, COUNT=str(count)
        )

    def refresh(self, kind: str) -> str:
        """`pulumi refresh` of all there is."""
        project = self.noop if kind == "noop" else self.jobs
        return project.run("refresh", "--yes", "--skip-preview", "--parallel", PARALLEL)


def finished(bench: Bench, count: int) -> ManyJobs:
    """At least `count` finished jobs, made once for all who ask."""
    if "many-jobs" not in bench.kept:
        made = ManyJobs(
            make_project(bench, "many-jobs", PROGRAM), make_project(bench, "many-nothings", PROGRAM)
        )
        make_source(made.jobs.folder / "src", "print('done')\n", files=FILES)
        bench.kept["many-jobs"] = made
    jobs: ManyJobs = bench.kept["many-jobs"]
    jobs.grow(bench, count)
    return jobs
