"""A person's desk: a folder with a script, and an experiment in a plain Python process, on the real engine."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from lab import Lab, eventually

import pulumi_training as training
from pulumi_training import local as target
from pulumi_training.client import submission

SCRIPT = """
    import argparse
    from azureml.core import Run

    words = argparse.ArgumentParser()
    words.add_argument("--epochs", type=int, default=2)
    run = Run.get_context()
    for epoch in range(words.parse_args().epochs):
        run.log("loss", 1 / (epoch + 1))
        print("epoch", epoch, flush=True)
    open("outputs/model.txt", "w").write("weights")
"""


class Desk:
    """Where a person sits: a folder with a script, and an experiment."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.workspace = target.Workspace("lab")
        self.cluster = target.ComputeCluster("cpu", workspace=self.workspace, slots_per_node=2)
        self.experiment = training.Experiment(self.workspace, "My digits")
        self.script(SCRIPT)

    def script(self, text: str) -> None:
        (self.lab.source / "train.py").write_text(textwrap.dedent(text))

    def estimator(self, **parameters: Any) -> training.Estimator:
        given = {"source_directory": "./src", "entry_script": "train.py", "compute_target": self.cluster}
        return training.Estimator(**{**given, **parameters})

    def submit(self, **parameters: Any) -> training.Run:
        run = self.experiment.submit(self.estimator(), **parameters)
        assert isinstance(run, training.Run)
        return run


@pytest.fixture
def desk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PATH", "PULUMI_HOME", "TRAINING_STATE_DIR", "TRAINING_CACHE_DIR"):
        monkeypatch.setenv(name, lab.sandbox.environment[name])
    monkeypatch.chdir(lab.folder)
    yield Desk(lab)
    for each in submission.pending():
        with suppress(AssertionError):
            eventually(each.is_over, "the submission ends", seconds=60)
