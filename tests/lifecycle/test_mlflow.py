"""Runs of a tracked workspace on the real engine, looked at with MLflow's own client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from lab import Lab, eventually
from mlflow_server import LOGIN, MlflowServer

from pulumi_training import local as target

pytestmark = pytest.mark.engine
mlflow = pytest.importorskip("mlflow")

SELF = {"environment": {"userManaged": True, "interpreter": sys.executable}}


class Tracked:
    """A lab whose workspace tracks runs, and what MLflow knows of them."""

    def __init__(self, lab: Lab, **workspace: Any) -> None:
        self.lab = lab
        self.workspace = workspace or {"tracking": True}
        self.uri = (
            workspace.get("tracking_uri") or f"sqlite:///{lab.store / 'mlflow' / 'mlflow.db'}?timeout=60"
        )
        lab.settings.update(SELF)

    def declare(self) -> None:
        fit = self.lab.job("fit", self.lab.cluster_of(target.Workspace("lab", **self.workspace)))
        for name in ("run_id", "status", "mlflow_run_id", "tracking_url"):
            pulumi.export(name, getattr(fit, name))

    def stack(self) -> Any:
        return self.lab.stack(self.declare)

    @property
    def client(self) -> Any:
        return mlflow.MlflowClient(tracking_uri=self.uri)

    def runs(self, experiment: str = "lab/test") -> list[Any]:
        """The MLflow runs of an experiment, the oldest first."""
        if self.uri.startswith("sqlite") and not any(self.lab.store.glob("runs/*/attempts/*/tracking.json")):
            return []  # the driver makes the store; looking too early would make it too
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            return []
        return list(self.client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"]))

    def ended(self, count: int = 1, experiment: str = "lab/test") -> list[Any]:
        """The MLflow runs once all that there should be have ended."""

        def look() -> list[Any]:
            runs = self.runs(experiment)
            is_over = len(runs) >= count and all("training.reason" in r.data.tags for r in runs)
            return runs if is_over and all(r.info.status != "RUNNING" for r in runs) else []

        found = eventually(look, f"{count} MLflow runs have ended")
        assert len(found) == count
        return list(found)


@pytest.fixture
def tracked(lab: Lab) -> Tracked:
    return Tracked(lab)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    made = MlflowServer(
        tmp_path_factory.mktemp("server")
    )  # outside the lab, which must be quiet while it runs
    made.start()
    yield made
    made.stop()


def test_a_run_and_what_its_script_logs_are_one_mlflow_run(tracked: Tracked) -> None:
    wait = tracked.lab.folder / "go"
    tracked.lab.write(f"""
        import pathlib, time
        import mlflow
        mlflow.log_param("depth", 3)
        mlflow.log_metric("own", 0.25, step=1)
        pathlib.Path("note.txt").write_text("by the script")
        mlflow.log_artifact("note.txt")
        for step in range(3):
            report(step=step, loss=1.0 / (step + 1))
        while not pathlib.Path({str(wait)!r}).exists():
            time.sleep(0.05)
        report(step=3, loss=0.125)
        pathlib.Path("outputs/model.txt").write_text("a model")
    """)
    settings = {"script_params": {"--epochs": 3, "--fast": None}, "tags": {"team": "vision"}, "wait": False}
    tracked.lab.settings.update(settings, experiment_name="digits", display_name="My digits")
    stack = tracked.stack()
    stack.up().succeeded()

    def live() -> Any:
        runs = tracked.runs("digits")
        return runs and len(tracked.client.get_metric_history(runs[0].info.run_id, "loss")) == 3 and runs[0]

    run = eventually(live, "the metrics of a live run are in MLflow")
    assert run.info.status == "RUNNING"
    wait.touch()
    (run,) = tracked.ended(experiment="digits")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "My digits"
    history = tracked.client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3), (3, 0.125)]
    assert run.data.metrics["own"] == 0.25
    assert run.data.params["depth"] == "3"
    assert run.data.params["args.epochs"] == "3"
    assert run.data.params["training.node_count"] == "1"
    assert run.data.params["training.source_digest"]
    assert run.data.tags["team"] == "vision"
    assert run.data.tags["training.attempt"] == "1"
    assert run.data.tags["training.reason"] == "Completed"
    names = {each.path for each in tracked.client.list_artifacts(run.info.run_id)}
    assert {"note.txt", "outputs", "logs"} <= names

    up = stack.up().succeeded()
    assert up.steps()["fit"] == "same"
    assert len(tracked.ended(experiment="digits")) == 1
    refreshed = stack.refresh().succeeded()
    assert refreshed is not None
    state = tracked.lab.job_state(stack)["outputs"]
    assert state["mlflowRunId"] == run.info.run_id
    assert "trackingUrl" not in state


def test_a_failure_is_a_failed_run_and_its_next_attempt_another_one(tracked: Tracked) -> None:
    tracked.lab.write("""
        import mlflow
        mlflow.log_metric("before", 1)
        raise SystemExit(3)
    """)
    stack = tracked.stack()
    assert stack.up().error is not None
    (failed,) = tracked.ended()
    assert failed.info.status == "FAILED"
    assert failed.data.tags["training.reason"] == "ScriptFailed"
    assert failed.data.metrics == {"before": 1}
    assert stack.up().error is not None
    first, second = tracked.ended(2)
    assert first.info.run_id == failed.info.run_id
    assert second.data.tags["training.attempt"] == "2"
    assert second.data.tags["training.run_id"] == first.data.tags["training.run_id"]


def test_ranks_that_end_early_do_not_end_the_run(tracked: Tracked) -> None:
    go = tracked.lab.folder / "go"
    tracked.lab.write(f"""
        import os, pathlib, time
        import mlflow
        rank = int(os.environ["RANK"])
        mlflow.log_metric(f"rank{{rank}}", rank)
        if rank == 0:
            while not pathlib.Path({str(go)!r}).exists():
                time.sleep(0.05)
            report(loss=0.5)
    """)
    # An environment of our own brings mpirun; MLflow is lent to it.
    del tracked.lab.settings["environment"]
    lent = {"PYTHONPATH": str(Path(mlflow.__file__).parents[1])}
    tracked.lab.settings.update(
        process_count_per_node=2, distributed_backend="gloo", wait=False, environment_variables=lent
    )
    stack = tracked.stack()
    stack.up().succeeded()
    attempt = eventually(
        lambda: next(iter(tracked.lab.store.glob("runs/fit-*/attempts/1")), None), "an attempt"
    )
    rank = Path(attempt, "ranks", "1.json")
    eventually(lambda: rank.exists() and '"exited"' in rank.read_text(), "rank 1 has ended")
    eventually(lambda: [r.info.status for r in tracked.runs()] == ["RUNNING"], "the run goes on")
    go.touch()
    (run,) = tracked.ended()
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"rank0": 0, "rank1": 1, "loss": 0.5}


def test_a_server_that_goes_away_holds_up_nothing_and_hears_it_all_later(
    lab: Lab, server: MlflowServer
) -> None:
    tracked = Tracked(lab, tracking_uri=server.uri)
    go = lab.folder / "go"
    lab.write(f"""
        import os, pathlib, time
        for step in range(3):
            report(step=step, loss=float(step))
        while not pathlib.Path({str(go)!r}).exists():
            time.sleep(0.05)
        report(step=3, loss=3.0)
        pathlib.Path("outputs/ids.txt").write_text(os.environ["MLFLOW_RUN_ID"])
    """)
    lab.settings["wait"] = False
    stack = tracked.stack()
    stack.up().succeeded()
    (run,) = eventually(lambda: [r for r in tracked.runs() if "loss" in r.data.metrics], "a live metric")
    server.stop()
    go.touch()
    eventually(lambda: [a["status"] for a in lab.attempts()] == ["Completed"], "the run has ended well")
    eventually(lab.is_quiet, "nothing of it is left")
    attempt = next(iter(lab.store.glob("runs/*/attempts/1")))
    assert "MLflow is told later" in "".join(p.read_text() for p in (attempt / "events").iterdir())

    refreshed = stack.refresh().succeeded()
    assert refreshed is not None
    outputs = lab.job_state(stack)["outputs"]
    assert outputs["status"] == "Completed"
    assert "MLflow is told later" in outputs["warnings"][0]

    server.start()
    assert stack.up().succeeded().steps()["fit"] == "same"
    (late,) = tracked.ended()
    assert late.info.run_id == run.info.run_id == (attempt / "outputs" / "ids.txt").read_text()
    assert late.info.status == "FINISHED"
    history = tracked.client.get_metric_history(late.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]
    assert {"outputs", "logs"} <= {each.path for each in tracked.client.list_artifacts(late.info.run_id)}
    eventually(lab.is_quiet, "nothing of it is left")
    stack.refresh().succeeded()
    outputs = lab.job_state(stack)["outputs"]
    assert outputs["trackingUrl"].startswith(f"{server.uri}/#/experiments/")
    assert "warnings" not in outputs or not outputs["warnings"]


def test_a_server_that_is_down_from_the_start_costs_the_run_nothing(lab: Lab, tmp_path: Path) -> None:
    server = MlflowServer(tmp_path / "server")
    tracked = Tracked(lab, tracking_uri=server.uri)
    lab.write("""
        import os
        assert "MLFLOW_RUN_ID" not in os.environ
        report(step=0, loss=0.5)
    """)
    stack = tracked.stack()
    stack.up().succeeded()
    eventually(lab.is_quiet, "nothing of it is left")
    server.start()
    try:
        stack.refresh().succeeded()
        (run,) = tracked.ended()
        assert run.info.status == "FINISHED"
        assert run.data.metrics == {"loss": 0.5}
    finally:
        server.stop()


def test_a_server_that_asks_for_a_login_is_opened_with_the_jobs_secrets(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MlflowServer(tmp_path_factory.mktemp("locked-server"), LOGIN)
    server.start()
    user, password = LOGIN
    tracked = Tracked(lab, tracking_uri=server.uri)
    lab.write("report(step=0, loss=0.5)")

    def log_in(word: str) -> None:
        secret = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": pulumi.Output.secret(word)}
        lab.settings["secret_environment_variables"] = secret

    def declare() -> None:
        log_in(given)
        tracked.declare()

    try:
        given = "the-wrong-password"
        stack = lab.stack(declare)
        stack.up().succeeded()
        eventually(lab.is_quiet, "nothing of it is left")
        (warning,) = lab.job_state(stack)["outputs"]["warnings"]
        assert "asks for a login" in warning and "MLFLOW_TRACKING_PASSWORD" in warning

        given = password
        stack.up().succeeded()  # tells it what it missed
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        (late,) = tracked.ended()
        assert late.data.metrics == {"loss": 0.5}
        eventually(lab.is_quiet, "nothing of it is left")
        assert len(lab.attempts()) == 1, "a password trains nothing anew"

        lab.write("report(step=0, loss=0.25)")
        stack.up().succeeded()
        _, live = tracked.ended(2)
        assert live.data.metrics == {"loss": 0.25}
        eventually(lab.is_quiet, "nothing of it is left")
        # Record, logs, cache, plans, and the state of the file backend.
        kept = "".join(
            path.read_text(errors="replace") for path in lab.sandbox.folder.rglob("*") if path.is_file()
        )
        for word in (password, "the-wrong-password"):
            assert word not in kept
    finally:
        server.stop()
