"""What is known of a target before anything of it is loaded: its name, what it can, and where its parts are.

A part is named as an entry point names one, `package.module:attribute`, and is imported when it is asked for, because a
program that only declares and a supervisor that only runs each need a few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Feature(str, Enum):
    """What one target can and another cannot, in the words of a refusal, which names the targets that can."""

    IMAGES = "run images"
    """A Dockerfile, a registry and a platform mean something."""
    DATA_ON_COMPUTE = "mount what is where containers run"
    """Volumes and folders of the machine that runs containers can be mounted (`volume://`, `host://`)."""
    THIS_MACHINE = "run processes of this machine"
    """Ranks reach its folders, and its loopback addresses are theirs."""


_ARGUMENTS = "pulumi_training.spec.components"


@dataclass(frozen=True)
class TargetDescriptor:
    """A target. All but `name`, `features` and the words for people are names of parts.

    `target` is the class that keeps the contract; `components` the module that has Workspace, Datastore and
    ComputeCluster; the three `arguments` the models of what those take; `settings` the model of `compute`'s own object
    for this target; `rules` a mapping as `spec.rules.RULES`; `environment` the class that makes an Environment resource's
    software; `doctor` a function without arguments that answers checks. What is None the target does not have.
    `extra` names the extra of its package that brings the libraries. `where` and `state` are its line in the table of
    targets: where runs execute, and what can be said of it in this version.
    """

    name: str
    where: str
    state: str
    target: str
    components: str
    workspace_arguments: str = f"{_ARGUMENTS}:WorkspaceArgs"
    datastore_arguments: str = f"{_ARGUMENTS}:DatastoreArgs"
    cluster_arguments: str = f"{_ARGUMENTS}:ComputeClusterArgs"
    features: frozenset[Feature] = frozenset()
    settings: str | None = None
    rules: str | None = None
    environment: str | None = None
    doctor: str | None = None
    extra: str | None = None
