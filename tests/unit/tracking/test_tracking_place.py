from __future__ import annotations

from pathlib import Path

from pulumi_training.record.store import Store
from pulumi_training.spec.recorded import RecordedJob
from pulumi_training.tracking.place import Place, place_in, place_of


def test_nothing_is_tracked_unless_the_workspace_says_so(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    assert place_of(RecordedJob.of({"compute": {"target": "local"}}), store) is None
    assert place_of(RecordedJob.of({"compute": {"trackingUri": "http://host:5000"}}), store) == Place(
        "http://host:5000"
    )
    assert place_of(RecordedJob.of({"compute": {"trackingUri": "workspace"}}), store) == place_in(store)


def test_the_store_of_a_workspace_is_in_its_folder(tmp_path: Path) -> None:
    place = place_in(Store.open(str(tmp_path)))
    assert place is not None
    assert place.uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db?timeout=60"
    assert place.artifacts == f"file://{tmp_path}/mlflow/artifacts"
    assert place.page("1", "abc") is None
    assert Place("http://host:5000/").page("1", "abc") == (
        "http://host:5000/#/experiments/1/runs/abc?workflowType=machine_learning"
    )
