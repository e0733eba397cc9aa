"""Pulumi's mocks: what programs declare, as it would cross the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc


@dataclass
class Declared:
    """What was registered, by type and name; values are as on the wire, secrets marked by `Secret`."""

    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    outputs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def job(self, name: str = "fit") -> dict[str, Any]:
        """The inputs of a job."""
        return self.resources["training:index:TrainingJob", name]


@dataclass(frozen=True)
class Secret:
    """A value that was marked secret on the wire."""

    value: Any


class Mocks(mocks.Mocks):
    """Remembers every registration and answers with some outputs."""

    def __init__(self, declared: Declared) -> None:
        self.declared = declared

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.declared.resources[args.typ, args.name] = plain(args.inputs)
        given = self.declared.outputs.get((args.typ, args.name), {})
        return f"{args.name}-id", {**args.inputs, **given}

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError("nothing is invoked")


Program = Callable[[], Any]


def run(program: Program, outputs: dict[tuple[str, str], dict[str, Any]] | None = None) -> Declared:
    """Runs a program to its end; `outputs` are what the provider would answer, by type and name."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    declared = Declared(outputs=outputs or {})
    mocks.set_mocks(Mocks(declared), project="shop", stack="dev")
    mocks.test(lambda: _awaited(program()))()  # type: ignore[no-untyped-call]
    return declared


def _awaited(result: Any) -> Any:
    return result if isinstance(result, pulumi.Output) else pulumi.Output.from_input(None)


def plain(value: Any) -> Any:
    """Wire values as Python ones, with the secrets still told apart."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return Secret(plain(value["value"]))
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if rpc.is_rpc_secret(value):
        return Secret(plain(rpc.unwrap_rpc_secret(value)))
    return value
