"""Which Python a virtual environment is made from."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ..spec.errors import Problem

_VERSION = re.compile(
    r"^(?:[<>=!~]=?\s*)?\d+(?:\.\d+){0,2}(?:\.\*)?(?:\s*,\s*[<>=!~]=?\s*\d+(?:\.\d+){0,2})*$"
)


def problems(python_version: str | None) -> list[Problem]:
    """What is wrong with a `python_version`, if anything."""
    if python_version is None or _VERSION.match(python_version.strip()):
        return []
    message = f"`{python_version}` is not a Python version; write it as `3.11`, `3.11.4` or `>=3.10`"
    return [Problem("environment.pythonVersion", message)]


def base() -> str:
    """The Python that runs the plugin, not the virtual environment it may be in."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def choose(python_version: str | None, environ: Mapping[str, str]) -> str:
    """What to tell `uv venv --python`: a path where this machine has that Python, else the version.

    Looked at, in this order: the Python that runs the plugin, what uv finds, what pyenv holds (its shims hide
    every version but the active one). With the bare version uv downloads one, if UV_PYTHON_DOWNLOADS and the
    network let it.
    """
    if python_version is None or _is_running(python_version):
        return base()
    from . import uv

    found = uv.ask(
        ["python", "find", "--no-project", "--no-python-downloads", python_version], environ=environ
    )
    if found and found.strip():
        return found.strip()
    for version, path in sorted(_pyenv(environ), reverse=True):
        if matches(python_version, ".".join(map(str, version))):
            return path
    return python_version


def installed(environ: Mapping[str, str]) -> list[str]:
    """The versions of Python on this machine, newest first, for messages."""
    from . import uv

    text = uv.ask(["python", "list", "--only-installed", "--output-format", "json"], environ=environ)
    versions = {str(item["version"]) for item in json.loads(text)} if text else set()
    versions |= {".".join(map(str, version)) for version, _ in _pyenv(environ)}
    versions.add(".".join(map(str, sys.version_info[:3])))
    return sorted(versions, key=lambda v: [int(n) for n in re.findall(r"\d+", v)], reverse=True)


def matches(python_version: str, version: str) -> bool:
    """Whether `version`, as `3.11.4`, is what `python_version` asks for; False for what is not a version."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = python_version.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        text = f"=={text}.*"
    elif text[0].isdigit():
        text = f"=={text}"
    try:
        return version in SpecifierSet(text)
    except InvalidSpecifier:
        return False


def _is_running(python_version: str) -> bool:
    running = ".".join(map(str, sys.version_info[:3]))
    return sys.implementation.name == "cpython" and matches(python_version, running)


def _pyenv(environ: Mapping[str, str]) -> list[tuple[tuple[int, ...], str]]:
    folder = (
        Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME") or Path.home()) / ".pyenv") / "versions"
    )
    found = []
    for place in folder.iterdir() if folder.is_dir() else ():
        python = place / "bin" / "python"
        if re.fullmatch(r"\d+\.\d+\.\d+", place.name) and os.access(python, os.X_OK):
            found.append((tuple(int(n) for n in place.name.split(".")), str(python)))
    return found
