"""`RecordRetention`: how many records a workspace keeps."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from ..declare.program import reference_of
from ..version import __version__
from .property import OutputProperty, given, output_names


class RecordRetention(pulumi.CustomResource):
    """Keeps the last runs of a workspace, the best ones by a metric, or both; the others leave a tombstone.

    Looked at again by every `pulumi up`, whose preview names what will go. Live runs, and the newest run of
    each resource, always stay.
    """

    pruned = OutputProperty[Sequence[str]]("The ids of the runs whose records were removed, the last 1000.")

    def __init__(
        self,
        resource_name: str,
        *,
        workspace: object,
        keep_last: pulumi.Input[int] | None = None,
        keep_best: pulumi.Input[int] | None = None,
        metric: pulumi.Input[str] | None = None,
        goal: pulumi.Input[str] | None = None,
        job: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a retention.

        Args:
            resource_name: The resource's name.
            workspace: A Workspace, or its `ref`.
            keep_last: How many of the last runs.
            keep_best: How many of the best, by `metric`.
            metric: The metric that says which are the best.
            goal: `maximize` (the default) or `minimize`.
            job: Only the runs of jobs of this name.
            opts: Pulumi's own options.
        """
        values = {
            n: v for n, v in locals().items() if n not in ("self", "__class__", "resource_name", "opts")
        }
        props = given({**values, "workspace": reference_of(workspace)})
        for output in output_names(type(self)):
            props.setdefault(output, None)
        version = pulumi.ResourceOptions(version=__version__)
        super().__init__(
            "training:index:RecordRetention",
            resource_name,
            props,
            pulumi.ResourceOptions.merge(version, opts),
        )
