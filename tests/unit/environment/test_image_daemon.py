"""Images on a daemon that is pretended: which one is taken, what is pulled, and what a push leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from pulumi_training.environment import builder, image, image_build, image_request, image_tags, image_uv
from pulumi_training.environment.image import ImageEnvironment
from pulumi_training.environment.image_probe import ImageFacts
from pulumi_training.environment.image_request import ImageRequest
from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.errors import PermanentError

FACTS = ImageFacts(python="/usr/bin/python3", python_version="3.11.2")


@dataclass
class Image:
    """One image; all that is asked of it."""

    daemon: Daemon
    told: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    id: str = "sha256:0"

    @property
    def attrs(self) -> dict[str, Any]:
        """With a digest for each tag, pushed or not, as where images are kept by containerd."""
        tags = [name for name, image in self.daemon.there.items() if image is self]
        digests = [f"{tag.rpartition(':')[0]}@{self.id}" for tag in tags]
        return {"Id": self.id, "RepoDigests": digests, **self.told}

    def tag(self, repository: str, tag: str) -> None:
        self.daemon.there[f"{repository}:{tag}"] = self


class Daemon:
    """A client, its `images` and its `api` in one. Its registry has `remote`."""

    def __init__(self) -> None:
        self.api = self.images = self
        self.there: dict[str, Image] = {}
        self.remote: dict[str, Image] = {}
        self.pulled: list[tuple[str, str | None]] = []
        self.pushed: list[str] = []
        self.refuses: BaseException | str | None = None
        """What a push is answered."""

    def get(self, name: str) -> Image:
        if name not in self.there:
            raise docker.errors.ImageNotFound(name)
        return self.there[name]

    def pull(
        self, repository: str, *, tag: str, platform: str | None, **options: Any
    ) -> list[dict[str, str]]:
        name = f"{repository}:{tag}"
        self.pulled.append((name, platform))
        if name not in self.remote:
            return [{"error": "manifest unknown"}]
        self.there[name] = self.remote[name]
        return []

    def push(self, repository: str, *, tag: str, **options: Any) -> list[dict[str, Any]]:
        name = f"{repository}:{tag}"
        made = self.get(name)
        if isinstance(self.refuses, BaseException):
            raise self.refuses
        if self.refuses:
            return [{"error": self.refuses}]
        self.pushed.append(name)
        return [{"aux": {"Digest": made.id}}]

    def remove_image(self, name: str, **options: Any) -> None:
        self.get(name)
        del self.there[name]

    def create_container(self, image: str, **options: Any) -> dict[str, str]:
        self.get(image)
        return {"Id": "c"}

    def commit(self, container: str, *, repository: str, tag: str, conf: dict[str, Any]) -> None:
        self.there[f"{repository}:{tag}"] = Image(self, {}, conf["Labels"], f"sha256:{len(self.there)}")

    def remove_container(self, container: str, **options: Any) -> None:
        pass


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def ensure(
    daemon: Daemon, source: Path, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[EnvironmentSpec], ImageEnvironment]:
    """`ensure_image`, where each image has `FACTS` and so needs nothing on top."""
    monkeypatch.setattr(image, "probe", lambda *words, **options: FACTS)
    monkeypatch.setattr(image_build, "probe", lambda *words, **options: FACTS)

    def ensured(spec: EnvironmentSpec) -> ImageEnvironment:
        return image.ensure_image(
            spec,
            source=source,
            needs_mpi=False,
            needs_mpi4py=False,
            client=daemon,
            progress=said.append,
            cache=tmp_path / "cache",
        )

    return ensured


def finished(daemon: Daemon, source: Path, spec: EnvironmentSpec, **attrs: Any) -> Image:
    """The image of a spec, as it was built."""
    request = ImageRequest(spec, source, needs_mpi=False, needs_mpi4py=False)
    made = Image(daemon, attrs, {image_tags.FACTS_LABEL: FACTS.to_json()})
    daemon.there[request.tag] = made
    return made


@pytest.mark.parametrize(
    "repository", ["docker.io/team/training", "index.docker.io/team/training", "team/training"]
)
@pytest.mark.parametrize("told", ["team/training", "docker.io/team/training"])
def test_an_image_of_docker_hub_is_found_by_each_of_its_names(
    daemon: Daemon, source: Path, repository: str, told: str
) -> None:
    spec = EnvironmentSpec(image="x:1", image_repository=repository)
    finished(daemon, source, spec, RepoDigests=["other/x@sha256:1", f"{told}@sha256:2"])
    found = image.find_image(spec, source, needs_mpi=False, needs_mpi4py=False, client=daemon)
    assert found is not None
    assert found.image == f"{repository}@sha256:2", "as a push names it"


@pytest.mark.parametrize("is_user_managed", [False, True])
def test_an_image_for_another_platform_is_not_the_one_asked_for(
    daemon: Daemon, ensure: Callable[[EnvironmentSpec], ImageEnvironment], is_user_managed: bool
) -> None:
    daemon.there["x:1"] = Image(daemon, {"Os": "linux", "Architecture": "arm64"}, id="sha256:a")
    spec = EnvironmentSpec(image="x:1", platform="linux/amd64", user_managed=is_user_managed)
    with pytest.raises(PermanentError, match="has x:1 for linux/arm64, and it is asked for as linux/amd64"):
        ensure(spec)
    daemon.remote["x:1"] = Image(daemon, {"Os": "linux", "Architecture": "amd64"}, id="sha256:b")
    ensure(spec)
    ensure(spec)
    assert daemon.pulled == [("x:1", "linux/amd64")] * 2, "once refused, once pulled, once there"
    assert daemon.there["x:1"].id == "sha256:b"


def test_the_logins_of_package_indexes_are_masked(
    daemon: Daemon, ensure: Callable[[EnvironmentSpec], ImageEnvironment], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(Exception):
        pass

    def build(*words: Any, secrets: tuple[str, ...] = (), **options: Any) -> None:
        assert {"hunter2", "t0ken"} <= set(secrets)
        raise Ended

    daemon.there["x:1"] = Image(daemon)
    monkeypatch.setattr(builder, "choose", lambda client: SimpleNamespace(mounts=True))
    monkeypatch.setattr(builder, "run", build)
    monkeypatch.setattr(image_uv, "program_for", lambda *words, **options: Path(__file__))
    spec = EnvironmentSpec(
        image="x:1",
        pip_packages=["alpha"],
        index_url="https://me:hunter2@example.com/simple",
        extra_index_urls=["https://t0ken@example.org/simple"],
    )
    with pytest.raises(Ended):
        ensure(spec)


@pytest.mark.parametrize("refusal", ["denied", docker.errors.APIError("gone"), KeyboardInterrupt()])
def test_what_could_not_be_pushed_is_pushed_by_the_next_try(
    daemon: Daemon,
    ensure: Callable[[EnvironmentSpec], ImageEnvironment],
    source: Path,
    refusal: Any,
) -> None:
    repository = "r.org/team/training"
    daemon.there["x:1"] = Image(daemon)
    spec = EnvironmentSpec(image="x:1", image_repository=repository)
    request = ImageRequest(spec, source, needs_mpi=False, needs_mpi4py=False)
    daemon.refuses = refusal
    with pytest.raises((PermanentError, KeyboardInterrupt), match=r"could not be pushed|^$"):
        ensure(spec)
    assert request.tag in daemon.there, "what was built is kept"
    assert f"{repository}:{request.digest}" not in daemon.there
    daemon.refuses = None
    made = ensure(spec)
    assert daemon.pushed == [f"{repository}:{request.digest}"]
    assert made.was_cached
    assert made.image.startswith(f"{repository}@sha256:")


def test_the_tag_that_an_image_is_found_by_stays_where_the_repository_is_called_the_same(
    daemon: Daemon, ensure: Callable[[EnvironmentSpec], ImageEnvironment]
) -> None:
    daemon.there["x:1"] = Image(daemon)
    daemon.refuses = "denied"
    with pytest.raises(PermanentError, match="could not be pushed"):
        ensure(EnvironmentSpec(image="x:1", image_repository=image_request.REPOSITORY))
    assert any(name.startswith(f"{image_request.REPOSITORY}:") for name in daemon.there)


def test_a_tag_that_stays_does_not_hide_the_pushs_error(
    daemon: Daemon,
    ensure: Callable[[EnvironmentSpec], ImageEnvironment],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*words: Any, **options: Any) -> None:
        raise docker.errors.APIError("conflict")

    daemon.there["x:1"] = Image(daemon)
    daemon.refuses = "denied"
    monkeypatch.setattr(daemon, "remove_image", refuse)
    with pytest.raises(PermanentError, match="could not be pushed"):
        ensure(EnvironmentSpec(image="x:1", image_repository="r.org/team/training"))


@pytest.mark.parametrize(
    ("platform", "is_right"),
    [
        (None, True),
        ("linux/arm64", True),
        ("linux/arm64/v8", True),
        ("linux/aarch64", True),
        ("arm64", True),
        ("linux", True),
        ("linux/arm64/v9", False),
        ("linux/amd64", False),
        ("amd64", False),
        ("windows/arm64", False),
    ],
)
def test_platforms_as_docker_takes_them(daemon: Daemon, platform: str | None, is_right: bool) -> None:
    told = Image(daemon, {"Os": "linux", "Architecture": "arm64", "Variant": "v8"})
    assert image_tags.is_for(told, platform) is is_right
    without = Image(daemon, {"Os": "linux", "Architecture": "arm64", "Variant": ""})
    assert image_tags.is_for(without, "linux/arm64/v8"), "Docker leaves it out where there is only one"
