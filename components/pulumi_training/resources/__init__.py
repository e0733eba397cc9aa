"""What programs declare.

Here: `TrainingJob`, `Environment` and the components of each target, as Pulumi resource classes. A program that
only declares must start fast: nothing here imports targets, environments, data or records. May import: `spec`.
"""

from __future__ import annotations

from typing import Any


def components() -> dict[str, Any]:
    """The components by type token, for Construct."""
    from . import docker, local

    return {
        kind.token: kind
        for target in (local, docker)
        for kind in (target.Workspace, target.Datastore, target.ComputeCluster)
    }
