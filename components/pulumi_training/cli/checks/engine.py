"""Pulumi: its command line, its Python language host, and this provider where it looks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ...targets.contract.check import Check, State
from ...version import __version__
from .. import plugin_folder

_HOST = "pulumi-language-python"
_INSTALL = {
    "darwin": "brew install pulumi/tap/pulumi",
    "linux": "curl -fsSL https://get.pulumi.com | sh",
}
_ANSWER_SECONDS = 20


def pulumi() -> list[Check]:
    """The command line and the language host beside it or on PATH."""
    program = shutil.which("pulumi")
    if program is None:
        return [_missing_cli()]
    version = _version(program)
    if version is None:
        return [Check("Pulumi CLI", State.FAIL, f"{program} does not start", _install())]
    return [Check("Pulumi CLI", State.OK, f"{version}, {program}"), _language_host(Path(program))]


def plugin() -> list[Check]:
    """The provider, in the order in which the engine looks."""
    places = plugin_folder.find()
    if not places:
        return [
            Check("Provider", State.FAIL, "Pulumi does not find it here", "pulumi-training plugin install")
        ]
    first = places[0]
    names = {"path": "by path in Pulumi.yaml", "PATH": "on PATH", "folder": "in the plugin folder"}
    words = f"{names[first.kind]}: {first.path}"
    if first.kind == "folder" and first.version != __version__:
        return [
            Check(
                "Provider",
                State.WARN,
                f"{words} is {first.version}, this package is {__version__}",
                "pulumi-training plugin install",
            )
        ]
    if first.kind == "folder" and not _runs(first.path):
        return [Check("Provider", State.FAIL, f"{words} does not start", "pulumi-training plugin install")]
    return [Check("Provider", State.OK, words)]


def _missing_cli() -> Check:
    cached = _cached_cli()
    if cached is not None:
        return Check(
            "Pulumi CLI",
            State.WARN,
            f"not on PATH, but in the cache: {cached}",
            f'export PATH="{cached.parent}:$PATH", or in a checkout: eval "$(tools/pulumi env)"',
        )
    return Check(
        "Pulumi CLI", State.FAIL, "not found", f"{_install()}, or in a checkout: tools/pulumi ensure"
    )


def _install() -> str:
    return _INSTALL["darwin" if sys.platform == "darwin" else "linux"]


def _cached_cli() -> Path | None:
    """The CLI that a checkout's tools/pulumi brought into the user's cache."""
    import platformdirs

    told = os.environ.get("TRAINING_ENGINE_DIR")
    root = (
        Path(told)
        if told
        else Path(platformdirs.user_cache_dir("pulumi-training", appauthor=False)) / "engine"
    )
    found = sorted(root.expanduser().glob("v*/bin/pulumi"))
    return found[-1] if found else None


def _language_host(program: Path) -> Check:
    beside = [folder / _HOST for folder in (program.parent, program.resolve().parent)]
    host = next((str(path) for path in beside if path.is_file()), None) or shutil.which(_HOST)
    if host is None:
        return Check(
            "Python programs",
            State.WARN,
            f"{_HOST} is not beside {program} nor on PATH: `pulumi up` runs no Python program, the Automation API does",
            f"{_install()}, or in a checkout: tools/pulumi ensure",
        )
    return Check("Python programs", State.OK, host)


def _version(program: str) -> str | None:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [program, "version"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def _runs(program: Path) -> bool:
    try:
        answer = subprocess.run(
            [str(program), "--version"], capture_output=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0
