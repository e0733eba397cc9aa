"""What makes two images the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_training.environment.image_request import ImageRequest, base_image, problems
from pulumi_training.spec.environment import EnvironmentSpec, ImageRegistry
from pulumi_training.spec.errors import SpecError


def request(source: Path, *, mpi: bool = False, **fields: object) -> ImageRequest:
    return ImageRequest(EnvironmentSpec(**fields), source, needs_mpi=mpi, needs_mpi4py=mpi)  # type: ignore[arg-type]


def test_what_decides_the_content_decides_the_digest(source: Path) -> None:
    first = request(source, pip_packages=["a", "b"], image="x")
    digests = {
        first.digest,
        request(source, pip_packages=["a", "b", "c"], image="x").digest,
        request(source, pip_packages=["a", "b"], image="y").digest,
        request(source, pip_packages=["a", "b"], image="x", refresh="1").digest,
        request(source, pip_packages=["a", "b"], image="x", platform="linux/arm64").digest,
        request(source, pip_packages=["a", "b"], image="x", mpi=True).digest,
        request(source, pip_packages=["a", "b"], image="x", python_version="3.12").digest,
    }
    assert len(digests) == 7


def test_where_it_comes_from_does_not(source: Path) -> None:
    (source / "ca.pem").write_text("x")
    one = request(source, pip_packages=["b", "a"], image="x")
    two = request(
        source,
        pip_packages=["a", "b"],
        image="x",
        ca_bundle="ca.pem",
        index_url="https://mirror.example.com",
        build_secrets={"token": "t"},
        image_repository="registry.example.com/x",
    )
    assert one.digest == two.digest


def test_the_source_beside_a_requirements_file_does_not_count(source: Path) -> None:
    (source / "requirements.txt").write_text("a==1\n")
    first = request(source, pip_requirements_file="requirements.txt").digest
    (source / "train.py").write_text("print(1)\n")
    assert request(source, pip_requirements_file="requirements.txt").digest == first
    (source / "requirements.txt").write_text("a==2\n")
    assert request(source, pip_requirements_file="requirements.txt").digest != first


def test_an_image_with_an_mpi_does_for_a_run_that_needs_none(source: Path) -> None:
    plain, full = request(source, image="x"), request(source, image="x", mpi=True)
    assert plain.tags[0] == plain.tag
    assert full.tag in plain.tags
    assert full.tags == (full.tag,)


def test_a_kept_ca_bundle_counts_by_its_content(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINING_CA_BUNDLE", raising=False)
    (source / "ca.pem").write_text("x")
    kept = {"ca_bundle": "ca.pem", "ca_bundle_in_image": True}
    first = request(source, **kept).digest
    (source / "ca.pem").write_text("y")
    assert request(source, **kept).digest != first
    with pytest.raises(SpecError, match="needs a caBundle"):
        request(source, ca_bundle_in_image=True)
    with pytest.raises(SpecError, match="does not exist"):
        request(source, ca_bundle="other.pem")


def test_the_base_image_has_the_python_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINING_BASE_IMAGE", raising=False)
    assert base_image(EnvironmentSpec(), ">=3.12") == "python:3.12-slim"
    monkeypatch.setenv("TRAINING_BASE_IMAGE", "mirror.example.com/python-{python}")
    assert base_image(EnvironmentSpec(), "3.11.4") == "mirror.example.com/python-3.11"
    registry = ImageRegistry(address="https://registry.example.com:5000/")
    assert base_image(EnvironmentSpec(image="team/x:1", image_registry=registry), None) == (
        "registry.example.com:5000/team/x:1"
    )
    assert base_image(EnvironmentSpec(image="docker.io/x", image_registry=registry), None) == "docker.io/x"
    assert base_image(EnvironmentSpec(image="other.org/x", image_registry=registry), None) == "other.org/x"


def test_problems_need_no_daemon(source: Path) -> None:
    spec = EnvironmentSpec(user_managed=True)
    assert [p.path for p in problems(spec, source)] == ["environment.image"]
    bad = EnvironmentSpec(pip_packages=["not a package!"], python_version="three")
    assert {p.path for p in problems(bad, source)} == {
        "environment.pipPackages[0]",
        "environment.pythonVersion",
    }
