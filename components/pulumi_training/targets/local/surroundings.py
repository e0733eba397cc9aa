"""What of this machine's environment a run may see."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...spec.tracking_variables import PATIENCE

_OURS = ("PULUMI_", "TRAINING_", "OMPI_", "PMIX_", "PRTE_", "SLURM_", "VIRTUAL_ENV", "CONDA_")
_PYTHON = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONSAFEPATH", "__PYVENV_LAUNCHER__"})


def inherited() -> dict[str, str]:
    """The environment of this process without what belongs to the engine, to a launcher or to its own Python.

    The engine's passphrase is among what is left out, and what this process told its own MLflow.
    """
    ours = PATIENCE.items()
    return {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(_OURS) and k not in _PYTHON and (k, v) not in ours
    }


def with_interpreter(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment with the run's own interpreter, and what is installed beside it, first on PATH."""
    path = f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return {**environment, "PATH": path, "VIRTUAL_ENV": str(folder.parent)}
