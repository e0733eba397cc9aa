from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pulumi_training.record.store import Store
from pulumi_training.tracking.place import Place, place_in, place_of

COMPONENTS = Path(__file__).parents[3] / "components"


def test_nothing_is_tracked_unless_the_workspace_says_so(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    assert place_of({"compute": {"target": "local"}}, store) is None
    assert place_of({"compute": {"trackingUri": "http://host:5000"}}, store) == Place("http://host:5000")
    assert place_of({"compute": {"trackingUri": "workspace"}}, store) == place_in(store)


def test_the_store_of_a_workspace_is_in_its_folder(tmp_path: Path) -> None:
    place = place_in(Store.open(str(tmp_path)))
    assert place is not None
    assert place.uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db?timeout=60"
    assert place.artifacts == f"file://{tmp_path}/mlflow/artifacts"
    assert place.page("1", "abc") is None
    assert Place("http://host:5000/").page("1", "abc") == (
        "http://host:5000/#/experiments/1/runs/abc?workflowType=machine_learning"
    )


def test_without_mlflow_the_error_says_what_to_install() -> None:
    """In a Python that has nothing but its standard library and ours."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pulumi_training.tracking.place import missing; "
        "print(missing('workspace')); print(missing('http://host:5000'))"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(COMPONENTS)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert said == [
        "tracking needs MLflow, which is not installed: pip install mlflow",
        "tracking needs MLflow, which is not installed: pip install 'pulumi-training[mlflow]'",
    ]


def test_neither_the_plugin_nor_a_program_loads_mlflow() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pulumi_training.provider.handlers as h; h.handlers(); "
        "import pulumi_training.driver.supervise, pulumi_training.local; "
        "sys.exit('mlflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(COMPONENTS)], check=True)
