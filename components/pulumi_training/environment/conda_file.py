"""Conda requirements: read from the spec and from an environment file (`environment.yml`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec.errors import Problem, SpecError
from .requirements import located, missing

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec

DEFAULT_CHANNELS = ("conda-forge",)
_PATH = "environment.condaDependenciesFile"
_SPEC = re.compile(
    r"^(?:(?P<channel>[^\s:\[]+(?:/[^\s:]+)?)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)(?P<rest>.*)$"
)


@dataclass(frozen=True)
class CondaRequest:
    """What conda is asked for.

    `dependencies` are match specs as written; `pip` the lines of the file's nested pip list; `text` the
    file's text, for the digest.
    """

    channels: tuple[str, ...]
    dependencies: tuple[str, ...]
    pip: tuple[str, ...]
    text: str

    @property
    def names(self) -> frozenset[str]:
        """The packages asked for by name."""
        return frozenset(name_of(line) or "" for line in self.dependencies) - {""}

    @property
    def python_version(self) -> str | None:
        """The version that `python` was pinned to, if it was pinned to one."""
        for line in self.dependencies:
            if name_of(line) == "python":
                match = re.match(
                    r"(?:.*::)?python\s*={1,2}\s*(\d+(?:\.\d+){0,2})(?:\.\*|\*)?\s*(=\S+)?$",
                    line.strip(),
                    re.I,
                )
                return match.group(1) if match else None
        return None


def name_of(line: str) -> str | None:
    """The package name of a conda match spec, in lower case; None if there is none."""
    match = _SPEC.match(line.strip())
    return match.group("name").lower() if match else None


def problems(spec: EnvironmentSpec, source: Path) -> list[Problem]:
    """Everything wrong with the conda requirements of a spec, as far as it can be seen without a solver."""
    found: list[Problem] = []
    for index, line in enumerate(spec.conda_packages):
        path = f"environment.condaPackages[{index}]"
        if not line.strip():
            found.append(Problem(path, "is empty; write a package such as `scikit-learn` or `numpy=1.26`"))
        elif not _SPEC.match(line.strip()):
            found.append(
                Problem(
                    path, f"`{line}` is not a conda package; write it as `name`, `name=1.2` or `name>=1.2`"
                )
            )
    if spec.conda_dependencies_file:
        _file(spec.conda_dependencies_file, source, found)
    return found


def read(spec: EnvironmentSpec, source: Path) -> CondaRequest | None:
    """The conda requirements of a spec; None where it has none.

    Raises:
        SpecError: the file is missing or is no environment file.
    """
    if not spec.uses_conda:
        return None
    channels, dependencies, pip, text = [], [line.strip() for line in spec.conda_packages], [], ""
    if spec.conda_dependencies_file:
        found: list[Problem] = []
        text, document = _file(spec.conda_dependencies_file, source, found)
        if found:
            raise SpecError(found)
        channels = [str(c) for c in document.get("channels") or ()]
        for item in document.get("dependencies") or ():
            if isinstance(item, dict):
                pip += [str(line).strip() for line in item.get("pip") or ()]
            elif str(item).strip() != "pip":
                dependencies.append(str(item).strip())
    wanted = [*spec.conda_channels, *channels] or list(DEFAULT_CHANNELS)
    unique = tuple(dict.fromkeys(c for c in wanted if c != "nodefaults"))
    return CondaRequest(unique or DEFAULT_CHANNELS, tuple(dict.fromkeys(dependencies)), tuple(pip), text)


def _file(name: str, source: Path, found: list[Problem]) -> tuple[str, dict[str, Any]]:
    import yaml

    path = located(source, name)
    if not path.is_file():
        found.append(Problem(_PATH, missing(name, source)))
        return "", {}
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        found.append(Problem(_PATH, f"`{name}` is not YAML: {' '.join(str(error).split())}"))
        return "", {}
    if not isinstance(document, dict) or not isinstance(document.get("dependencies") or [], list):
        found.append(
            Problem(_PATH, f"`{name}` is not a conda environment file: it needs a list `dependencies`")
        )
        return text, {}
    for index, item in enumerate(document.get("dependencies") or []):
        is_pip = isinstance(item, dict) and set(item) == {"pip"} and isinstance(item["pip"], list)
        if not is_pip and not (isinstance(item, str) and _SPEC.match(item.strip())):
            found.append(
                Problem(
                    _PATH, f"`{name}`: dependency {index + 1}, `{item}`, is neither a package nor a pip list"
                )
            )
    return text, document
