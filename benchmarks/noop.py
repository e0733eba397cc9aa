"""A provider that does nothing, on the same servicer: what the engine and the protocol cost by themselves."""

from __future__ import annotations

from pulumi_training.provider.handler import (
    ChangeKind,
    CheckAnswer,
    CheckCall,
    CreateAnswer,
    CreateCall,
    DeleteCall,
    DiffAnswer,
    DiffCall,
    PropertyChange,
    ReadAnswer,
    ReadCall,
    ResourceHandler,
    UpdateAnswer,
    UpdateCall,
)
from pulumi_training.provider.main import main

TOKEN = "noop:index:Nothing"


class Nothing(ResourceHandler):
    """Keeps its inputs as they are."""

    async def check(self, call: CheckCall) -> CheckAnswer:
        return CheckAnswer(call.inputs)

    async def diff(self, call: DiffCall) -> DiffAnswer:
        names = sorted({*call.inputs, *call.old_inputs})
        changed = [name for name in names if call.inputs.get(name) != call.old_inputs.get(name)]
        return DiffAnswer([PropertyChange(name, ChangeKind.UPDATE) for name in changed])

    async def create(self, call: CreateCall) -> CreateAnswer:
        return CreateAnswer("" if call.preview else call.name, call.inputs)

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        return UpdateAnswer(call.inputs)

    async def read(self, call: ReadCall) -> ReadAnswer | None:
        return ReadAnswer(call.id, call.outputs, call.inputs)

    async def delete(self, call: DeleteCall) -> None:
        return None


def serve() -> None:
    """Serves until the engine is done."""
    main(load=lambda: {TOKEN: Nothing()})
