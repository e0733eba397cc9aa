"""The inline helper of the sandbox: events, failures, state."""

from __future__ import annotations

import pulumi
import pytest
from sandbox import Sandbox

pytestmark = pytest.mark.engine


class Box(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("tiny:index:Box", name)
        self.register_outputs({})


def test_an_inline_program_gives_its_steps_and_state(sandbox: Sandbox) -> None:
    def program() -> None:
        Box("box")
        pulumi.export("answer", 42)

    stack = sandbox.inline(program)
    up = stack.up().succeeded()
    assert up.result.outputs["answer"].value == 42
    assert up.steps()["box"] == "create"
    assert [resource["type"] for resource in stack.resources()][-1] == "tiny:index:Box"
    assert stack.preview().succeeded().steps()["box"] == "same"
    stack.destroy().succeeded()
    assert stack.resources() == []


def test_a_failing_inline_program_is_an_operation_with_an_error(sandbox: Sandbox) -> None:
    def program() -> None:
        raise ValueError("boom")

    failed = sandbox.inline(program).up()
    assert failed.error is not None
    assert "boom" in failed.text
