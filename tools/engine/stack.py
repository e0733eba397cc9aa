"""This checkout's own stack: made where none is selected, then handed to pulumi."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from .ensure import Engine
from .errors import EngineError
from .places import Places
from .progress import say

STACK = "dev"
WITHOUT_QUESTIONS = {"up": ["--yes"], "preview": [], "destroy": ["--yes"]}


def operate(
    places: Places, engine: Engine, verb: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Become `pulumi up`, `preview` or `destroy` at the checkout's root; a selected stack is kept.

    Raises EngineError where the stack cannot be made, with pulumi's words.
    """
    os.chdir(places.checkout)
    pulumi = str(engine.pulumi)
    selected = subprocess.run([pulumi, "stack", "--show-name"], env=environment, capture_output=True)
    if selected.returncode != 0:
        made = subprocess.run(
            [pulumi, "stack", "select", "--create", STACK, "--non-interactive"],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode != 0:
            raise EngineError(f"the stack {STACK!r} could not be made:\n{made.stderr.strip()}")
        say(f"stack {STACK!r} of this checkout is selected")
    os.execve(pulumi, [pulumi, verb, *WITHOUT_QUESTIONS[verb], *arguments], dict(environment))
