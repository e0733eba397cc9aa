"""The environment in which a plain `pulumi` works in this checkout."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from .ensure import Engine
from .places import Places


def additions(places: Places, engine: Engine, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables to set over an environment; PATH is whole, a variable that is right already is not listed.

    PATH gains the CLI, the language host, and the virtual environment, whose bin folder holds the plugin. The
    passphrase of the file backend is the empty one unless the person has set another: without it a terminal
    is asked for it at every operation and a script fails. It guards a state file that lies beside it.
    """
    path = [part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part]
    wanted = [str(folder) for folder in (*engine.folders, places.venv / "bin") if folder.is_dir()]
    front = [folder for folder in wanted if folder not in path]
    result = {}
    if front:
        result["PATH"] = os.pathsep.join([*front, *path])
    if "PULUMI_SKIP_UPDATE_CHECK" not in environment and engine.origin == "cache":
        result["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & set(environment):
        result["PULUMI_CONFIG_PASSPHRASE"] = ""
    return result


def exports(places: Places, engine: Engine, environment: Mapping[str, str]) -> str:
    """The same as lines for a POSIX shell's eval."""
    return "".join(
        f"export {name}={shlex.quote(value)}\n"
        for name, value in additions(places, engine, environment).items()
    )
