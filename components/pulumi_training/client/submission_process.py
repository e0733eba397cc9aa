"""The process that submits one run: an inline program through the Automation API, in a session of its own.

It reads its order from standard input, so that no secret is in an argument or a file, and writes how it ended
into the submission's file. A notebook may die meanwhile; this goes on.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock

from ..record.files import write_whole
from ..spec.errors import mask, shorten
from ..spec.secrecy import SECRETS
from ..spec.urls import credentials_of

if TYPE_CHECKING:
    from pulumi import automation

_HOLDER = re.compile(r"pid (\d+)")
_PATIENCE_SECONDS = 120.0


def main() -> None:
    """Carries out the order; exits 0 whether or not it could: the submission's file says it."""
    order = json.load(sys.stdin)
    file = Path(order["file"])
    error: str | None = None
    try:
        # One at a time for each stack: a lock that pulumi finds beside ours is one that a dead pulumi left.
        with FileLock(str(Path(order["folder"], "lock"))):
            submit(order)
    except Exception as problem:  # noqa: BLE001 - whoever waits for the run is told, whatever it is
        import traceback

        traceback.print_exc()
        error = shorten(mask(str(problem) or type(problem).__name__, _secrets(order["inputs"])))
    document = {**json.loads(file.read_bytes()), "ended_at": time.time(), "error": error}
    write_whole(file, json.dumps(document).encode(), durable=False)


def submit(order: Mapping[str, Any]) -> None:
    """Brings the stack up.

    Raises:
        RuntimeError: the engine refused, in its own words; or the source changed since it was checked.
    """
    from pulumi import automation

    said: list[str] = []
    stack = _stack(order)
    replace = [order["urn"]] if order["replace"] and _is_declared(stack, order["urn"]) else None
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            done = stack.up(
                refresh=True if order["refresh"] else None,
                replace=replace,
                color="never",
                on_output=lambda line: print(line, flush=True),
                on_event=lambda event: _hear(event, said),
            )
        except automation.ConcurrentUpdateError as error:
            if time.monotonic() > give_up:
                raise
            if _is_held(str(error)):
                time.sleep(0.5)
            else:
                stack.cancel()
            continue
        except automation.CommandError as error:
            raise RuntimeError("\n".join(dict.fromkeys(said)) or str(error)) from error
        break
    submitted = done.outputs["run_id"].value
    if submitted != order["run_id"]:
        stack.destroy(on_output=lambda line: print(line, flush=True), color="never")
        raise RuntimeError(
            f"the source or its data changed while it was being submitted (it became run {submitted}, which was "
            "stopped); submit it again"
        )


def _stack(order: Mapping[str, Any]) -> automation.Stack:
    from pulumi import automation

    command = Path(order["pulumi"])
    in_bin = command.resolve().parent.name == "bin" and command.parent.name == "bin"
    options = automation.LocalWorkspaceOptions(
        work_dir=order["folder"],
        pulumi_command=automation.PulumiCommand(root=str(command.parent.parent) if in_bin else None),
        env_vars=dict(os.environ),
        # The folder of the program, which relative paths are resolved against: the caller's.
        project_settings=automation.ProjectSettings(
            name=order["project"], runtime="python", main=order["base"]
        ),
    )
    name, project = order["stack"], order["project"]
    if not Path(order["folder"], f"Pulumi.{name}.yaml").exists():
        with suppress(automation.StackAlreadyExistsError):
            return automation.create_stack(name, project, program=lambda: _declare(order), opts=options)
    return automation.create_or_select_stack(name, project, program=lambda: _declare(order), opts=options)


def _declare(order: Mapping[str, Any]) -> None:
    """The program: one job of exactly these inputs."""
    import pulumi

    from ..version import __version__

    inputs = dict(order["inputs"])
    if inputs.get("secretEnvironmentVariables"):
        inputs["secretEnvironmentVariables"] = pulumi.Output.secret(inputs["secretEnvironmentVariables"])
    registry = (inputs.get("environment") or {}).get("imageRegistry") or {}
    if registry.get("password"):
        shown = {**registry, "password": pulumi.Output.secret(registry["password"])}
        inputs["environment"] = {**inputs["environment"], "imageRegistry": shown}
    job = pulumi.CustomResource(
        "training:index:TrainingJob", order["name"], inputs, pulumi.ResourceOptions(version=__version__)
    )
    pulumi.export("run_id", job.id)


def _is_declared(stack: automation.Stack, urn: str) -> bool:
    resources = (stack.export_stack().deployment or {}).get("resources") or []
    return any(resource.get("urn") == urn for resource in resources)


def _is_held(words: str) -> bool:
    """Whether the pulumi that a lock names still lives."""
    found = _HOLDER.search(words)
    return found is not None and psutil.pid_exists(int(found[1]))


def _hear(event: automation.EngineEvent, said: list[str]) -> None:
    diagnostic = event.diagnostic_event
    if diagnostic is not None and diagnostic.severity == "error":
        said.append(diagnostic.message.strip())


def _secrets(inputs: Mapping[str, object]) -> list[str]:
    """What of plain inputs is secret by its name, or opens an address; each as text."""
    return [text for name, value in inputs.items() for text in _texts(value, is_secret=name in SECRETS)]


def _texts(value: object, *, is_secret: bool) -> list[str]:
    if isinstance(value, Mapping):
        return [
            t for name, item in value.items() for t in _texts(item, is_secret=is_secret or name in SECRETS)
        ]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts(item, is_secret=is_secret)]
    if not isinstance(value, str):
        return []
    return [value] if is_secret else list(credentials_of(value))
