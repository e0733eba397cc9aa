"""A resource type that does what its inputs tell it to, for the tests of the protocol."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

from pulumi_training.provider.handler import (
    ChangeKind,
    CheckAnswer,
    CheckCall,
    CreateAnswer,
    CreateCall,
    DeleteCall,
    DiffAnswer,
    DiffCall,
    InitFailed,
    PropertyChange,
    ProviderConfig,
    ReadAnswer,
    ReadCall,
    ResourceHandler,
    UpdateAnswer,
    UpdateCall,
)
from pulumi_training.provider.pool import blocking
from pulumi_training.provider.wire import contains_unknown, unwrap_secrets
from pulumi_training.spec.errors import PermanentError, Problem, SpecError, TransientError
from pulumi_training.spec.outcome import Reason

TOKEN = "training:index:Toy"


class Toy(ResourceHandler):
    """`do` says what create, update and read do; every call is kept in `calls`."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.closings = 0
        self.config: ProviderConfig | None = None
        self.started = threading.Event()

    def configured(self, config: ProviderConfig) -> None:
        self.config = config

    async def closing(self) -> None:
        self.closings += 1
        if marker := os.environ.get("TOY_CLOSING"):
            Path(marker).write_text("closed")

    async def check(self, call: CheckCall) -> CheckAnswer:
        self.calls.append(call)
        if call.inputs.get("do") == "raise in check":
            raise SpecError(
                [Problem("nodeCount", "must be at least 1"), Problem("do", f"not {call.secrets}")]
            )
        plain, _ = unwrap_secrets(call.inputs)
        problems = [Problem("a.b[1]", f"{plain['bad']} is bad")] if "bad" in plain else []
        return CheckAnswer({**plain, "checked": not contains_unknown(plain)}, problems)

    async def diff(self, call: DiffCall) -> DiffAnswer:
        self.calls.append(call)
        changed = [
            PropertyChange(key, _kind(key, call), replace=key.startswith("hard"))
            for key in sorted({*call.inputs, *call.old_inputs})
            if call.inputs.get(key) != call.old_inputs.get(key)
        ]
        return DiffAnswer(changed)

    async def create(self, call: CreateCall) -> CreateAnswer:
        self.calls.append(call)
        if call.preview:
            call.progress.info("previewed")
            return CreateAnswer("", {"known": 1})
        return CreateAnswer("toy-1", await self._do(call, "toy-1"))

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        self.calls.append(call)
        return UpdateAnswer(await self._do(call, call.id))

    async def read(self, call: ReadCall) -> ReadAnswer | None:
        self.calls.append(call)
        if call.is_import:
            return ReadAnswer(call.id.rpartition("#")[2], {"found": True}, {"do": "import"})
        if call.inputs.get("do") == "vanish":
            return None
        return ReadAnswer(call.id, await self._do(call, call.id), call.inputs)

    async def delete(self, call: DeleteCall) -> None:
        self.calls.append(call)

    async def _do(self, call: CreateCall | UpdateCall | ReadCall, id: str) -> dict[str, Any]:
        plain, secrets = unwrap_secrets(call.inputs)
        self.started.set()
        if marker := os.environ.get("TOY_STARTED"):
            Path(marker).touch()
        do = plain.get("do")
        if do == "fail init":
            big = "x" * int(plain.get("size", 0))
            raise InitFailed(id, {**plain, "tail": big}, None, ["rank 3 failed", f"token {secrets}"])
        if do == "fail now":
            raise PermanentError(
                Reason.ENVIRONMENT_FAILED, f"no such package {secrets}", log_tail="last line"
            )
        if do == "fail for a while":
            raise TransientError("the store does not answer", retry_after=7)
        if do == "spec":
            raise SpecError(Problem("sourceDirectory", "does not exist"))
        if do == "bug":
            raise KeyError(f"surprise {secrets}")
        if do == "block":
            await blocking(time.sleep, float(plain["seconds"]))
        if do == "wait for cancel":
            await asyncio.wait_for(call.cancelled.wait(), 20)
            raise InitFailed(id, {"detached": call.cancelled.is_detached}, None, ["canceled"])
        if do == "hang":
            await asyncio.sleep(3600)
        if do == "print":
            print("printed by a handler", flush=True)
            await blocking(os.system, "echo printed by a child")
        for text in plain.get("lines", []):
            call.progress.line(text)
            await asyncio.sleep(float(plain.get("pause", 0)))
        if plain.get("warn"):
            call.progress.warning(plain["warn"])
        return {"echo": plain, **plain}


def _kind(key: str, call: DiffCall) -> ChangeKind:
    if key not in call.old_inputs:
        return ChangeKind.ADD
    return ChangeKind.UPDATE if key in call.inputs else ChangeKind.DELETE


def handlers() -> dict[str, ResourceHandler]:
    return {TOKEN: Toy()}
