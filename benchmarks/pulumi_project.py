"""Projects on the real engine, with a backend and a PULUMI_HOME of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .bench import CHECKOUT, COMPONENTS, Bench

sys.path.append(str(CHECKOUT / "tools"))

from engine.ensure import locate, with_host
from engine.places import find_places

SECONDS = 580


@dataclass(frozen=True)
class Project:
    """A Python project with a stack `bench`, both providers at hand."""

    folder: Path
    pulumi: Path
    environment: dict[str, str]

    def run(self, *arguments: str, **more: str) -> str:
        """Runs pulumi to its end and answers what it said; raises RuntimeError with that where it failed."""
        process = self.start(*arguments, **more)
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            raise RuntimeError(
                f"pulumi {arguments[0]} took longer than {SECONDS} s\n{said[-2000:]}"
            ) from None
        if process.returncode:
            raise RuntimeError(f"pulumi {arguments[0]}: exit code {process.returncode}\n{said[-3000:]}")
        return said

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Starts pulumi; `more` are environment variables."""
        return subprocess.Popen(
            [str(self.pulumi), "--non-interactive", "--color", "never", *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def with_engine(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment where `pulumi` is on PATH. Raises RuntimeError where there is no engine."""
    found = locate(find_places())
    if found is None:
        raise RuntimeError("no pulumi on PATH or in the cache: run tools/pulumi")
    return {**environment, "PATH": os.pathsep.join([str(found.pulumi.parent), environment["PATH"]])}


def make_project(bench: Bench, name: str, program: str) -> Project:
    """A project in a folder of its own. Raises RuntimeError where there is no engine."""
    found = locate(find_places())
    if found is None:
        raise RuntimeError("no pulumi on PATH or in the cache: run tools/pulumi")
    engine = with_host(find_places(), found)
    folder = bench.place(name)
    (folder / "state").mkdir(exist_ok=True)
    noop = write_noop_plugin(bench.folder / "noop-plugin")
    (folder / "Pulumi.yaml").write_text(
        f"name: {name}\n"
        f"runtime: {{name: python, options: {{toolchain: pip, virtualenv: '{sys.prefix}'}}}}\n"
        f"plugins:\n  providers:\n    - {{name: training, path: '{COMPONENTS}'}}\n"
        f"    - {{name: noop, path: '{noop}'}}\n"
    )
    (folder / "__main__.py").write_text(program)
    front = [*engine.folders, engine.pulumi.parent, Path(sys.prefix) / "bin"]
    project = Project(
        folder,
        engine.pulumi,
        {
            **os.environ,
            "PATH": os.pathsep.join([*map(str, front), os.environ.get("PATH", os.defpath)]),
            "PULUMI_HOME": str(bench.folder / "pulumi-home"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "bench",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
            "PULUMI_SUPPRESS_NEO_LINK": "true",
        },
    )
    project.run("stack", "init", "bench")
    return project


def write_noop_plugin(folder: Path) -> Path:
    """The plugin folder of the provider that does nothing, as the engine can run it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "PulumiPlugin.yaml").write_text(
        f"runtime: {{name: python, options: {{toolchain: pip, virtualenv: '{sys.prefix}'}}}}\n"
    )
    (folder / "__main__.py").write_text(
        f"import sys\n\nsys.path.insert(0, {str(CHECKOUT)!r})\n\nfrom benchmarks.noop import serve\n\nserve()\n"
    )
    return folder
