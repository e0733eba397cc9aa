"""Real-engine tests: a hermetic place for one pulumi, projects on the command line, and inline programs.

Everything a test does is under its own tmp_path: PULUMI_HOME, the state backend, the projects.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import automation

CHECKOUT = Path(__file__).resolve().parents[2]
COMPONENTS = CHECKOUT / "components"
sys.path.append(str(CHECKOUT / "tools"))

from engine.ensure import Engine, locate, with_host  # noqa: E402
from engine.places import find_places  # noqa: E402

FORGOTTEN = ("PULUMI_", "TRAINING_")  # a person's settings must not reach a test
SECONDS = 180


@dataclass(frozen=True)
class Answer:
    """What one command line answered."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Everything it said."""
        return self.stdout + self.stderr

    def succeeded(self) -> Answer:
        """The answer itself; an AssertionError with everything it said where the exit code was not 0."""
        assert self.code == 0, f"exit code {self.code}\n{self.text}"
        return self


@dataclass(frozen=True)
class Sandbox:
    """One hermetic environment around a pulumi."""

    folder: Path
    pulumi: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str, cwd: Path, **more: str) -> Answer:
        """Run pulumi to its end; `more` adds environment variables."""
        done = subprocess.run(
            [str(self.pulumi), "--non-interactive", "--color", "never", *arguments],
            cwd=cwd, env={**self.environment, **more}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, cwd: Path, **more: str) -> subprocess.Popen[str]:
        """Start pulumi, for tests that interrupt or kill it; it leads a process group of its own."""
        return subprocess.Popen(
            [str(self.pulumi), "--non-interactive", "--color", "never", *arguments],
            cwd=cwd, env={**self.environment, **more}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def project(
        self,
        program: str,
        *,
        name: str = "tiny",
        plugins: Mapping[str, Path] | None = None,
        virtualenv: Path | None = Path(sys.prefix),
    ) -> Project:
        """Make a Python project with a stack `test`; `plugins` maps a provider's name to its folder."""
        folder = self.folder / "projects" / name
        folder.mkdir(parents=True)
        options = f", options: {{toolchain: pip, virtualenv: '{virtualenv}'}}" if virtualenv else ""
        text = f"name: {name}\nruntime: {{name: python{options}}}\n"
        found = {"training": COMPONENTS} if plugins is None else plugins
        if found:
            text += "plugins:\n  providers:\n"
            text += "".join(f"    - {{name: {key}, path: '{path}'}}\n" for key, path in found.items())
        (folder / "Pulumi.yaml").write_text(text)
        project = Project(self, folder)
        project.write(program)
        self.run("stack", "init", "test", cwd=folder).succeeded()
        return project

    def inline(
        self, program: Callable[[], None], *, name: str = "inline", work_dir: Path | None = None
    ) -> Inline:
        """Make a stack `test` of an inline program; it needs no language host, and finds the plugin on PATH."""
        cwd = work_dir or self.folder / "inline" / name
        cwd.mkdir(parents=True, exist_ok=True)
        in_bin = self.pulumi.parent.name == "bin"
        command = automation.PulumiCommand(root=str(self.pulumi.parent.parent) if in_bin else None)
        options = automation.LocalWorkspaceOptions(
            work_dir=str(cwd),
            pulumi_command=command,
            pulumi_home=self.environment["PULUMI_HOME"],
            env_vars=dict(self.environment),
            # Without it the program's folder would be that of the test runner.
            project_settings=automation.ProjectSettings(name=name, runtime="python", main=str(cwd)),
        )
        stack = automation.create_or_select_stack(
            stack_name="test", project_name=name, program=program, opts=options
        )
        return Inline(stack)


@dataclass(frozen=True)
class Project:
    """A Python project on the command line."""

    sandbox: Sandbox
    folder: Path

    def write(self, program: str, file: str = "__main__.py") -> None:
        """Write a program, dedented."""
        (self.folder / file).write_text(textwrap.dedent(program))

    def run(self, *arguments: str, **more: str) -> Answer:
        """Run pulumi in the project."""
        return self.sandbox.run(*arguments, cwd=self.folder, **more)

    def up(self, *arguments: str, **more: str) -> Answer:
        """`pulumi up`, without its preview."""
        return self.run("up", "--yes", "--skip-preview", *arguments, **more)

    def preview(self, *arguments: str, **more: str) -> Answer:
        """`pulumi preview`."""
        return self.run("preview", *arguments, **more)

    def destroy(self, *arguments: str, **more: str) -> Answer:
        """`pulumi destroy`, without its preview."""
        return self.run("destroy", "--yes", "--skip-preview", *arguments, **more)


@dataclass
class Operation:
    """What one operation of an inline program said; `error` is set where it failed."""

    events: list[automation.EngineEvent] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    result: Any = None
    error: automation.CommandError | None = None

    @property
    def text(self) -> str:
        """What the terminal would have shown, an error's words included."""
        return "\n".join([*self.output, str(self.error or "")])

    @property
    def diagnostics(self) -> list[automation.DiagnosticEvent]:
        """Messages in the order they came, the live ones of the rows (`ephemeral`) included."""
        return [event.diagnostic_event for event in self.events if event.diagnostic_event]

    def steps(self) -> dict[str, str]:
        """The step planned for each resource, by its name."""
        planned = [event.resource_pre_event for event in self.events if event.resource_pre_event]
        return {event.metadata.urn.rsplit("::", 1)[-1]: event.metadata.op.value for event in planned}

    def succeeded(self) -> Operation:
        """The operation itself; raises what pulumi said where it failed."""
        if self.error is not None:
            raise self.error
        return self


@dataclass(frozen=True)
class Inline:
    """A stack of an inline program."""

    stack: automation.Stack

    def up(self, **options: Any) -> Operation:
        """`up`; a failed update is an Operation with an `error`, not an exception."""
        return _operate(self.stack.up, **options)

    def preview(self, **options: Any) -> Operation:
        """`preview`."""
        return _operate(self.stack.preview, **options)

    def refresh(self, **options: Any) -> Operation:
        """`refresh`."""
        return _operate(self.stack.refresh, **options)

    def destroy(self, **options: Any) -> Operation:
        """`destroy`."""
        return _operate(self.stack.destroy, **options)

    def resources(self) -> list[dict[str, Any]]:
        """The resources of the state as it is stored."""
        return list((self.stack.export_stack().deployment or {}).get("resources", []))


def find_engine() -> Engine | None:
    """The pulumi that tools/pulumi would use, without bringing one, and this tree's language host."""
    places = find_places()
    found = locate(places)
    return with_host(places, found) if found else None


def make_sandbox(folder: Path, engine: Engine, environment: Mapping[str, str] = os.environ) -> Sandbox:
    """A sandbox under a folder, on the environment without a person's own settings."""
    front = [*engine.folders, engine.pulumi.parent, Path(sys.prefix) / "bin"]
    kept = {name: value for name, value in environment.items() if not name.startswith(FORGOTTEN)}
    backend = folder / "state"
    backend.mkdir()
    return Sandbox(
        folder,
        engine.pulumi,
        {
            **kept,
            "PATH": os.pathsep.join([*map(str, front), kept.get("PATH", os.defpath)]),
            "PULUMI_HOME": str(folder / "pulumi-home"),
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
            "PULUMI_SUPPRESS_NEO_LINK": "true",
        },
    )


def _operate(method: Callable[..., Any], **options: Any) -> Operation:
    operation = Operation()
    try:
        operation.result = method(
            on_event=operation.events.append, on_output=operation.output.append, color="never", **options
        )
    except automation.CommandError as error:
        operation.error = error
        _bury_abandoned_program()
    return operation


def _bury_abandoned_program() -> None:
    """Collects the coroutines of a program that the engine left in the middle, here and not wherever they would be.

    The SDK abandons them; each complains as it goes, and the complaints inside of a compilation break Python 3.11.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    finally:
        sys.unraisablehook = hook
