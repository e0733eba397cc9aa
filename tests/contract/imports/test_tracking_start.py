"""Who loads mlflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMPONENTS = Path(__file__).parents[3] / "components"


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
