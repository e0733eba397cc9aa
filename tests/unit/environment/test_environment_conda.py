from __future__ import annotations

import pytest

from pulumi_training.environment import cache, checks, conda, conda_file, conda_names, local
from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.errors import PermanentError, SpecError

pytest.importorskip("rattler")
NOBODY = "http://127.0.0.1:9/channel"


@pytest.fixture(autouse=True)
def no_retries(monkeypatch):
    monkeypatch.setattr(conda, "RETRIES", 0)


def ensure(source, said, *, mpi=False, mpi4py=False, **fields):
    spec = EnvironmentSpec(**fields)
    return local.ensure(spec, source=source, needs_mpi=mpi, needs_mpi4py=mpi4py, progress=said.append)


def test_a_conflict_shows_the_solvers_words_and_is_no_reason_for_pypi(source, channel, said):
    with pytest.raises(PermanentError) as caught:
        ensure(source, said, conda_packages=["delta", "gamma>=2"], conda_channels=[str(channel)])
    assert "cannot be had together" in caught.value.message
    assert "gamma" in caught.value.message
    assert "PyPI" not in caught.value.message
    names = [p.name for p in cache.root().iterdir()]
    assert sorted(names) == ["locks", "logs"]


def test_a_package_that_no_channel_has_is_no_reason_for_pypi(source, channel, said):
    with pytest.raises(PermanentError, match="No candidates were found for numpy"):
        ensure(source, said, conda_packages=["numpy"], conda_channels=[str(channel)])


def test_a_channel_folder_that_is_missing_is_a_problem_of_its_property(source, said):
    with pytest.raises(SpecError) as caught:
        ensure(source, said, conda_packages=["gamma"], conda_channels=["./nowhere"])
    assert caught.value.path == "environment.condaChannels"


def test_a_fallback_of_error_forbids_pypi(source, said):
    with pytest.raises(PermanentError) as caught:
        ensure(source, said, conda_packages=["numpy"], conda_channels=[NOBODY], conda_fallback="error")
    assert "condaFallback is `error`" in caught.value.message
    assert "Ways out" in caught.value.message


def test_what_the_table_does_not_know_is_refused_with_ways_out(source, said):
    with pytest.raises(PermanentError) as caught:
        ensure(source, said, conda_packages=["numpy", "r-base", "cudatoolkit=11"], conda_channels=[NOBODY])
    assert "`r-base`" in caught.value.message
    assert "bring CUDA along" in caught.value.message
    assert "environment.pipPackages" in caught.value.message
    assert "`numpy`" not in caught.value.message


@pytest.mark.parametrize(
    ("line", "version", "build"),
    [
        ("numpy", "", None),
        ("numpy=1.26", "==1.26.*", None),
        ("numpy = 1.26", "==1.26.*", None),
        ("numpy=1.26.*", "==1.26.*", None),
        ("numpy=1.26*", "==1.26.*", None),
        ("numpy==1.26.4", "==1.26.4", None),
        ("numpy 1.26.4", "==1.26.4", None),
        ("numpy 1.26.4 py311_0", "==1.26.4", "py311_0"),
        ("numpy=1.26.4=py311_0", "==1.26.4", "py311_0"),
        ("numpy==1.26.4=py311_0", "==1.26.4", "py311_0"),
        ("numpy >=1.2,<2", ">=1.2,<2", None),
        ("numpy>=1.2, <2.0a0", ">=1.2,<2.0a0", None),
        ("numpy>1.2.*", ">1.2", None),
        ("numpy!=1.2.*", "!=1.2.*", None),
        ("numpy~=1.2", "~=1.2", None),
        ("numpy *", "", None),
        ("numpy[version='>=1.2,<2']", ">=1.2,<2", None),
        ("numpy[build=abc]", "", "abc"),
        ("conda-forge::numpy=1.2", "==1.2.*", None),
    ],
)
def test_condas_versions_in_pips_words(line, version, build):
    from packaging.specifiers import SpecifierSet

    assert conda_names.version_of(line) == (version, build)
    SpecifierSet(version)


@pytest.mark.parametrize("line", ["numpy>=1|<0.5", "numpy[url='x']", "numpy>=one"])
def test_versions_that_pip_cannot_say_are_refused(line):
    with pytest.raises(ValueError, match="pip"):
        conda_names.version_of(line)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("pytorch", "torch"), ("tensorflow-gpu", "tensorflow"), ("py-xgboost", "xgboost"),
        ("matplotlib-base", "matplotlib"), ("opencv", "opencv-python-headless"), ("msgpack-python", "msgpack"),
        ("scikit-learn", "scikit-learn"), ("pyyaml", "pyyaml"), ("python-dateutil", "python-dateutil"),
    ],
)  # fmt: skip
def test_the_table(name, other):
    assert conda_names.NAMES[name] == other
    assert not set(conda_names.NAMES) & set(conda_names.HINTS)


def request_of(*dependencies):
    return conda_file.CondaRequest(("conda-forge",), dependencies, (), "")


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("python=3.11", "3.11"),
        ("python==3.11.4", "3.11.4"),
        ("python=3.11.*", "3.11"),
        ("python>=3.10", None),
    ],
)
def test_a_pinned_python_is_the_python_version(line, version):
    assert request_of("numpy", line).python_version == version


def test_python_and_pip_are_translated_away():
    found = conda_names.translate(request_of("python>=3.10", "pip", "PyTorch=2.1"), OSError("x"), "pypi")
    assert found.lines == ("torch==2.1.*",)
    assert found.python_version == ">=3.10"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dependencies: [", "is not YAML"),
        ("- numpy\n", "is not a conda environment file"),
        ("dependencies: numpy\n", "is not a conda environment file"),
        ("dependencies:\n - numpy\n - 3\n", "dependency 2"),
        ("dependencies:\n - pip:\n   - numpy\n - apt: [x]\n", "dependency 2"),
        ("dependencies:\n - numpy\n - pip:\n   - num py\n", "pip list: `num py` is not a requirement"),
    ],
)
def test_a_broken_environment_file_is_a_problem_of_its_property(source, text, words):
    (source / "environment.yml").write_text(text)
    found = checks.problems(EnvironmentSpec(conda_dependencies_file="environment.yml"), source)
    assert [p.path for p in found] == ["environment.condaDependenciesFile"]
    assert words in found[0].message


def test_a_missing_environment_file_lists_near_names(source):
    (source / "environment.yaml").touch()
    found = checks.problems(EnvironmentSpec(conda_dependencies_file="environment.yml"), source)
    assert "near names: environment.yaml" in found[0].message


def test_bad_conda_packages_are_named_by_their_index(source):
    found = checks.problems(EnvironmentSpec(conda_packages=["numpy", "", "=1.2"]), source)
    assert [p.path for p in found] == ["environment.condaPackages[1]", "environment.condaPackages[2]"]


def test_defaults_is_what_conda_means_by_it(source):
    assert conda.channel_urls("defaults", source) == list(conda.DEFAULTS)
    assert conda.channel_urls("conda-forge", source) == ["conda-forge"]


@pytest.mark.parametrize(
    ("version", "spec"),
    [("3.11", "python 3.11.*"), ("3.11.4", "python 3.11.4"), (">=3.10, <3.12", "python >=3.10,<3.12")],
)
def test_the_python_version_is_a_match_spec(version, spec):
    assert conda.python_spec(version) == spec
