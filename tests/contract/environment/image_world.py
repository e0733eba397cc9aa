"""A Docker daemon, its builders, a base image, wheels without a network, and a registry with a password."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from registry import PASSWORD, USER, serve
from services import missing

from pulumi_training.environment import builder, image, image_probe, image_tags
from pulumi_training.environment.image import ImageEnvironment
from pulumi_training.environment.image_request import ImageRequest
from pulumi_training.spec.environment import EnvironmentSpec, ImageRegistry

BASE = "training-base:bookworm"
TOOL = Path(__file__).parents[3] / "tools" / "docker-base"


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """The daemon of DOCKER_HOST, or the default one."""
    docker = pytest.importorskip("docker")
    try:
        found = docker.from_env(timeout=120)
        found.ping()
    except docker.errors.DockerException as error:
        missing("docker", f"no Docker daemon answers: {error}")
    yield found
    found.close()


@pytest.fixture(scope="session")
def base(client: Any) -> str:
    """A Debian with Python, made where it is missing."""
    if image_tags.find(client, BASE) is None:
        if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
            missing("docker", f"there is no image {BASE}, and tools/docker-base needs root and mmdebstrap")
        subprocess.run([TOOL, BASE], check=True, timeout=280)
    return BASE


@pytest.fixture(params=["classic", "buildkit"])
def each_builder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both builders in turn."""
    if request.param == "buildkit" and builder.buildx_version() is None:
        missing("docker", "the docker command line has no buildx plugin; tools/docker-buildx brings one")
    monkeypatch.setenv(builder.BUILDER_VARIABLE, request.param)
    return str(request.param)


@dataclass
class Images:
    """Builds for a test; all they made is removed after it."""

    client: Any
    source: Path
    cache: Path
    said: list[str]
    tags: set[str]
    """What it may have tagged: the daemon is shared, so nothing else is removed."""

    def ensure(
        self, *, mpi: bool = False, secrets: dict[str, str] | None = None, **fields: Any
    ) -> ImageEnvironment:
        """`ensure_image` of a spec's fields."""
        spec = EnvironmentSpec(**fields)
        self.remember(spec, mpi=mpi)
        return image.ensure_image(
            spec,
            source=self.source,
            needs_mpi=mpi,
            needs_mpi4py=mpi,
            client=self.client,
            progress=self.said.append,
            secrets=secrets,
            cache=self.cache,
        )

    def find(self, *, mpi: bool = False, **fields: Any) -> ImageEnvironment | None:
        """`find_image` of a spec's fields."""
        spec = EnvironmentSpec(**fields)
        return image.find_image(
            spec, self.source, needs_mpi=mpi, needs_mpi4py=mpi, client=self.client, cache=self.cache
        )

    def remember(self, spec: EnvironmentSpec, *, mpi: bool = False) -> None:
        """Notes the tags that a build of `spec` makes, for the end of the test."""
        if spec.user_managed and not spec.dockerfile:
            return
        request = ImageRequest(spec, self.source, needs_mpi=mpi, needs_mpi4py=mpi)
        self.tags.add(request.tag)
        if request.context is not None:
            self.tags.add(request.base_tag)
        if spec.image_repository:
            self.tags.add(f"{spec.image_repository}:{request.digest}")

    def output(self, made: ImageEnvironment, *command: str) -> str:
        """What a command prints inside, without a network."""
        container = self.client.containers.create(made.image, list(command), network_mode="none")
        try:
            container.start()
            container.wait(timeout=60)
            return str(container.logs(stderr=False).decode()).strip()
        finally:
            container.remove(force=True)

    def fresh(self) -> str:
        """A text that no test before has built with."""
        return uuid.uuid4().hex


def all_tags(client: Any) -> set[str]:
    return {tag for found in client.images.list() for tag in found.tags}


@pytest.fixture
def images(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Images]:
    """Builds in a cache of the test's own."""
    for name in [n for n in os.environ if n.startswith(("UV_", "PIP_", "TRAINING_"))]:
        if name not in (builder.BUILDER_VARIABLE, "TRAINING_REQUIRE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    source = tmp_path / "source"
    source.mkdir()
    made = Images(client, source, tmp_path / "cache", [], set())
    monkeypatch.setattr(image_probe, "LABEL", f"{image_probe.LABEL}-{uuid.uuid4().hex[:8]}")
    yield made
    there = all_tags(client)
    for tag in made.tags & there:
        client.images.remove(tag, force=True)
    left = client.containers.list(all=True, filters={"label": image_probe.LABEL})
    assert not left, "probes were left behind"


@pytest.fixture
def wheels(images: Images, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Fields of a spec that installs without a network: `alpha` needs `beta`, of which there are two versions."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = images.source / "wheels"
    make_wheel(folder, "alpha", "1.0", "beta")
    make_wheel(folder, "beta", "1.0")
    make_wheel(folder, "beta", "2.0")
    return {"image": BASE, "find_links": ["./wheels"]}


def make_wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)


@dataclass(frozen=True)
class Registry:
    """A registry that asks for a password. `address` is as images name it."""

    address: str

    def credentials(self, password: str = PASSWORD) -> ImageRegistry:
        return ImageRegistry(address=self.address, username=USER, password=password)


@pytest.fixture(scope="session")
def registry_server(client: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Debian's docker-registry, where the daemon is on this machine."""
    if str(client.api.base_url).startswith("http") and "docker" not in str(client.api.base_url):
        missing("docker", "the daemon is on another machine, which cannot reach a registry here")
    with serve(tmp_path_factory.mktemp("registry")) as found:
        yield Registry(found.address)
