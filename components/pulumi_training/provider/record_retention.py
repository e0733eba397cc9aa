"""The handler of `training:index:RecordRetention`: how many records a workspace keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..record.store import Store
from ..spec.components import RecordRetentionArgs
from ..spec.errors import Problem
from ..spec.reading import read, read_partly
from ..spec.text import count
from .handler import (
    ChangeKind,
    CheckAnswer,
    CheckCall,
    CreateAnswer,
    CreateCall,
    DeleteCall,
    DiffAnswer,
    DiffCall,
    Operation,
    PropertyChange,
    ReadAnswer,
    ReadCall,
    ResourceHandler,
    UpdateAnswer,
    UpdateCall,
)
from .pool import blocking
from .secrets import with_secrets_marked
from .wire import UNKNOWN, contains_secret, contains_unknown, unwrap_secrets

if TYPE_CHECKING:
    from ..driver.retain import Retention
    from ..record.runs import UnreadableRun

_SHOWN = 10
_PLACE = ("target", "workspace", "store")
"""What of a workspace says whose records are kept; how its target is reached, in whichever form, does not."""


def _left(run: UnreadableRun) -> str:
    return f"the record of run {run.run_id} is left as it is: {run.message}"


class RecordRetentionHandler(ResourceHandler):
    """Every `pulumi up` looks again: new runs make old records removable, and preview names those that will go."""

    async def check(self, call: CheckCall) -> CheckAnswer:
        """Something must be kept, and a metric goes with keepBest."""
        known = {name: value for name, value in call.inputs.items() if not contains_unknown(value)}
        hidden = {name for name, value in known.items() if contains_secret(value)}
        args, problems = read_partly(RecordRetentionArgs, unwrap_secrets(known)[0], hidden)
        if args.workspace is None and "workspace" not in call.inputs:
            problems.append(Problem("workspace", "is missing; pass a Workspace"))
        if (
            args.keep_last is None
            and args.keep_best is None
            and not {"keepLast", "keepBest"} & call.inputs.keys()
        ):
            problems.append(Problem("keepLast", "say what is kept: keepLast, or keepBest with a metric"))
        if (args.keep_best is None) != (args.metric is None) and "metric" not in set(call.inputs) - set(
            known
        ):
            problems.append(Problem("metric", "keepBest and metric go together"))
        return CheckAnswer(with_secrets_marked(call.inputs), tuple(problems))

    async def diff(self, call: DiffCall) -> DiffAnswer:
        """Changed inputs change it in place; so does a record that may go now."""
        old, new = map(_comparable, (call.old_inputs, call.inputs))
        changes = [PropertyChange(n) for n in sorted({*old, *new}) if old.get(n) != new.get(n)]
        if not contains_unknown(call.inputs) and await self._removable(call.inputs):
            changes.append(PropertyChange("pruned", ChangeKind.UPDATE))
        return DiffAnswer(tuple(changes))

    async def create(self, call: CreateCall) -> CreateAnswer:
        """Removes what may go."""
        return CreateAnswer(f"retention-{call.name}", await self._apply(call, call.inputs, [], call.preview))

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """Removes what may go."""
        before = [str(run_id) for run_id in call.old_outputs.get("pruned") or []]
        return UpdateAnswer(await self._apply(call, call.inputs, before, call.preview))

    async def read(self, call: ReadCall) -> ReadAnswer | None:
        """A policy is what its inputs say."""
        return ReadAnswer(call.id, call.outputs, call.inputs)

    async def delete(self, call: DeleteCall) -> None:
        """What was removed stays removed; nothing more goes."""

    async def _apply(
        self, call: Operation, inputs: Mapping[str, object], before: list[str], preview: bool
    ) -> dict[str, Any]:
        if preview:
            going = [] if contains_unknown(inputs) else await self._removable(inputs)
            if going:
                named = ", ".join(going[:_SHOWN]) + (
                    f" and {len(going) - _SHOWN} more" if len(going) > _SHOWN else ""
                )
                call.progress.info(f"will remove the records of {count(len(going), 'run')}: {named}")
            return {"pruned": UNKNOWN if going else before}
        from ..driver.retain import removable, remove_records

        store, retention = self._policy(inputs)
        going = await blocking(removable, store, retention, lambda run: call.progress.warning(_left(run)))
        gone = await blocking(remove_records, store, going, call.progress.warning)
        if gone:
            call.progress.info(
                f"removed the records of {count(len(gone), 'run')}; each answers from its tombstone"
            )
        return {"pruned": [*before, *gone][-1000:]}

    async def _removable(self, inputs: Mapping[str, object]) -> list[str]:
        from ..driver.retain import removable

        store, retention = self._policy(inputs)
        return await blocking(removable, store, retention)

    def _policy(self, inputs: Mapping[str, object]) -> tuple[Store, Retention]:
        from ..driver.retain import Retention

        args = read(RecordRetentionArgs, unwrap_secrets(inputs)[0])
        assert args.workspace is not None
        store = Store.open(args.workspace.store, base=self.base)
        return store, Retention(
            args.keep_last,
            args.keep_best,
            args.metric,
            args.goal != "minimize",
            args.workspace.workspace,
            args.job,
        )


def _comparable(inputs: Mapping[str, object]) -> dict[str, Any]:
    plain = dict(unwrap_secrets(inputs)[0])
    workspace = plain.get("workspace")
    if isinstance(workspace, Mapping):
        plain["workspace"] = {name: workspace.get(name) for name in _PLACE}
    return plain
