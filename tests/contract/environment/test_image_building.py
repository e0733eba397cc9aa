"""Images on a real daemon, by both builders."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from image_world import BASE, Images, all_tags, make_wheel

from pulumi_training.environment import image_tags
from pulumi_training.spec.errors import PermanentError, SpecError
from pulumi_training.spec.outcome import Reason

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("base")]
DOCKERFILE = f"FROM {BASE}\nARG WORD=none\nRUN echo $WORD >/word\nCOPY data /data\n"


def dockerfile(images: Images, text: str = DOCKERFILE) -> None:
    (images.source / "Dockerfile").write_text(text)
    (images.source / "data").mkdir(exist_ok=True)
    (images.source / "data/kept.txt").write_text("kept")


def no_work(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on whatever builds, pulls or starts a container fails the test."""

    def refuse(*words: Any, **options: Any) -> Any:
        raise AssertionError("a hit must not do this")

    for name in ("build", "pull", "create_container", "commit"):
        monkeypatch.setattr(images.client.api, name, refuse)
    monkeypatch.setattr("pulumi_training.environment.builder.run", refuse)


def test_packages_are_in_the_image_and_a_hit_does_no_work(
    images: Images, wheels: dict[str, Any], each_builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**wheels, "pip_packages": ["alpha"], "refresh": images.fresh()}
    assert images.find(**fields) is None
    made = images.ensure(**fields)
    assert not made.was_cached
    assert made.python == "/usr/bin/python3"
    assert {"alpha==1.0", "beta==2.0"} <= set(made.packages)
    assert images.output(made, made.python, "-c", "import alpha, beta; print(beta.VERSION)") == "2.0"
    assert images.output(made, "ls", "/tmp") == ""
    assert any(line.startswith("Building the image, step") for line in images.said)
    assert "Installed 2 packages" in made.log.read_text()  # type: ignore[union-attr]
    (images.source / "train.py").write_text("print('the source is in no layer')")
    no_work(images, monkeypatch)
    again = images.ensure(**fields)
    assert again.was_cached
    assert (again.image, again.digest, again.packages) == (made.image, made.digest, made.packages)
    assert images.find(**fields) == again


def test_the_labels_say_what_is_in_it(images: Images, wheels: dict[str, Any]) -> None:
    made = images.ensure(**wheels, pip_packages=["beta"], refresh=images.fresh())
    found = images.client.images.get(f"training-env:{made.digest}")
    assert found.labels[image_tags.DIGEST_LABEL] == made.digest
    assert found.labels[image_tags.BASE_LABEL] == BASE
    assert found.labels[image_tags.BASE_ID_LABEL] == images.client.images.get(BASE).id
    assert "beta==2.0" in found.labels[image_tags.FACTS_LABEL]
    assert not [tag for tag in all_tags(images.client) if made.digest in tag and "draft" in tag]


def test_unpinned_packages_stay_until_refresh(
    images: Images, wheels: dict[str, Any], each_builder: str
) -> None:
    first = images.fresh()
    fields = {**wheels, "pip_packages": ["beta<3"]}
    assert "beta==2.0" in images.ensure(**fields, refresh=first).packages
    make_wheel(images.source / "wheels", "beta", "2.5")
    assert "beta==2.0" in images.ensure(**fields, refresh=first).packages
    assert "beta==2.5" in images.ensure(**fields, refresh=images.fresh()).packages


def test_requirements_constraints_and_local_projects(
    images: Images, wheels: dict[str, Any], each_builder: str
) -> None:
    (images.source / "requirements.txt").write_text(
        "-c limits.txt\nalpha\n./mine/gamma-3.0-py3-none-any.whl\n"
    )
    (images.source / "limits.txt").write_text("beta<2\n")
    make_wheel(images.source / "mine", "gamma", "3.0")
    made = images.ensure(**wheels, pip_requirements_file="requirements.txt", refresh=images.fresh())
    assert {"alpha==1.0", "beta==1.0", "gamma==3.0"} <= {line.split(" @ ")[0] for line in made.packages}


def test_a_failed_step_is_shown_with_its_last_lines(
    images: Images, wheels: dict[str, Any], each_builder: str
) -> None:
    fields = {**wheels, "pip_packages": ["alpha", "nosuchthing==9"], "refresh": images.fresh()}
    with pytest.raises(PermanentError) as caught:
        images.ensure(**fields)
    error = caught.value
    assert error.reason is Reason.IMAGE_BUILD_FAILED
    assert "failed at step" in error.message
    assert "pip install" in error.message
    assert "nosuchthing" in error.message
    log = Path(error.message.rpartition("The whole log: ")[2].strip())
    assert "nosuchthing" in log.read_text()
    assert images.find(**fields) is None
    drafts = {f"{tag}-draft-" for tag in images.tags}
    assert not [tag for tag in all_tags(images.client) if tag.startswith(tuple(drafts))]


def test_the_users_own_dockerfile(images: Images, each_builder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    word = images.fresh()
    dockerfile(images)
    (images.source / ".dockerignore").write_text("data/ignored.txt\n")
    (images.source / "data/ignored.txt").write_text("ignored")
    fields: dict[str, Any] = {"dockerfile": "Dockerfile", "build_arguments": {"WORD": word}}
    made = images.ensure(**fields)
    assert images.output(made, "cat", "/word") == word
    assert images.output(made, "ls", "/data") == "kept.txt"
    (images.source / "train.py").write_text("print(2)")
    (images.source / "data/ignored.txt").write_text("changed")
    with monkeypatch.context() as patch:
        no_work(images, patch)
        assert images.ensure(**fields).image == made.image
    (images.source / "data/kept.txt").write_text("changed")
    assert images.ensure(**fields).image != made.image


def test_packages_go_on_top_of_the_users_dockerfile(
    images: Images, wheels: dict[str, Any], each_builder: str
) -> None:
    dockerfile(images, f"FROM {BASE}\nRUN echo {images.fresh()} >/word\nUSER nobody\n")
    made = images.ensure(dockerfile="Dockerfile", pip_packages=["beta"], find_links=wheels["find_links"])
    assert "beta==2.0" in made.packages
    assert images.output(made, "id", "-un") == "nobody"


def test_a_dockerfile_outside_of_its_context(images: Images, each_builder: str) -> None:
    (images.source / "docker").mkdir()
    (images.source / "context").mkdir()
    (images.source / "docker/Mine").write_text(f"FROM {BASE}\nRUN echo {images.fresh()}\nCOPY a /a\n")
    (images.source / "context/a").write_text("from the context")
    made = images.ensure(dockerfile="docker/Mine", build_context="./context")
    assert images.output(made, "cat", "/a") == "from the context"


def test_a_failed_dockerfile_names_its_step(images: Images, each_builder: str) -> None:
    dockerfile(images, f"FROM {BASE}\nRUN echo {images.fresh()}\nRUN echo close to the end; exit 3\n")
    with pytest.raises(PermanentError) as caught:
        images.ensure(dockerfile="Dockerfile")
    assert caught.value.reason is Reason.IMAGE_BUILD_FAILED
    assert "RUN echo close to the end; exit 3" in caught.value.message
    assert "close to the end" in caught.value.log_tail
    assert "3" in caught.value.message


SECRET = f"FROM {BASE}\nRUN --mount=type=secret,id=token sha256sum /run/secrets/token >/sum && cat /run/secrets/token; echo %s\n"


def test_a_secret_is_mounted_and_stays_nowhere(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    from image_world import missing

    from pulumi_training.environment import builder

    if builder.buildx_version() is None:
        missing("docker", "the docker command line has no buildx plugin; tools/docker-buildx brings one")
    monkeypatch.setenv(builder.BUILDER_VARIABLE, "buildkit")
    dockerfile(images, SECRET % images.fresh())
    made = images.ensure(dockerfile="Dockerfile", build_secrets={"token": "hush-hush-hush"})
    import hashlib

    assert images.output(made, "cat", "/sum").startswith(hashlib.sha256(b"hush-hush-hush").hexdigest())
    history = str(images.client.images.get(made.image).history())
    assert "hush" not in history + made.log.read_text() + "".join(images.said)  # type: ignore[union-attr]
    with pytest.raises(SpecError, match="give the values"):
        dockerfile(images, SECRET % images.fresh())
        images.ensure(dockerfile="Dockerfile")


def test_the_classic_builder_refuses_secrets_and_says_the_way_out(
    images: Images, wheels: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINING_IMAGE_BUILDER", "classic")
    dockerfile(images, SECRET % images.fresh())
    with pytest.raises(SpecError, match="buildx") as caught:
        images.ensure(dockerfile="Dockerfile", build_secrets={"token": "hush-hush-hush"})
    assert caught.value.path == "environment.buildSecrets"
    login = "https://me:pass@packages.example.com/simple"
    with pytest.raises(SpecError, match="login of a package index"):
        images.ensure(**wheels, pip_packages=["beta"], index_url=login, refresh=images.fresh())


def test_a_build_that_is_called_off_leaves_nothing(
    images: Images, wheels: dict[str, Any], each_builder: str
) -> None:
    class CalledOff(Exception):
        pass

    def progress(line: str) -> None:
        if "step 2" in line:
            raise CalledOff

    from pulumi_training.environment import image
    from pulumi_training.spec.environment import EnvironmentSpec

    fields = {**wheels, "pip_packages": ["beta"], "refresh": images.fresh()}
    images.remember(EnvironmentSpec(**fields))
    with pytest.raises(CalledOff):
        image.ensure_image(
            EnvironmentSpec(**fields),
            source=images.source,
            needs_mpi=False,
            needs_mpi4py=False,
            client=images.client,
            progress=progress,
            cache=images.cache,
        )
    assert images.find(**fields) is None
    assert images.ensure(**fields).packages


def test_builds_of_one_image_meet(images: Images, wheels: dict[str, Any]) -> None:
    fields = {**wheels, "pip_packages": ["alpha"], "refresh": images.fresh()}
    made = []
    threads = [threading.Thread(target=lambda: made.append(images.ensure(**fields))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.image for one in made}) == 1
    assert sorted(one.was_cached for one in made) == [False, True, True]


def test_an_image_that_has_everything_is_not_built_upon(images: Images) -> None:
    made = images.ensure(image=BASE, refresh=images.fresh())
    layers = images.client.images.get(made.image).attrs["RootFS"]["Layers"]
    assert layers == images.client.images.get(BASE).attrs["RootFS"]["Layers"]


def test_a_base_image_that_moved_is_told(images: Images, wheels: dict[str, Any]) -> None:
    name = f"test-base-{images.fresh()[:12]}"
    images.tags.add(f"{name}:1")
    images.client.images.get(BASE).tag(name, "1")
    fields = {**wheels, "image": f"{name}:1", "pip_packages": ["beta"]}
    assert images.ensure(**fields).warnings == ()
    other = images.ensure(**wheels, pip_packages=["alpha"], refresh=images.fresh())
    images.client.images.get(other.image).tag(name, "1")
    (warning,) = images.ensure(**fields).warnings
    assert "refresh" in warning


def test_a_user_managed_image_is_used_as_it_is_and_asked_once(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert images.find(image=BASE, user_managed=True) is None
    made = images.ensure(image=BASE, user_managed=True)
    assert made.image == images.client.images.get(BASE).id
    assert made.python == "/usr/bin/python3"
    no_work(images, monkeypatch)
    assert images.ensure(image=BASE, user_managed=True).was_cached
    found = images.find(image=BASE, user_managed=True)
    assert found is not None
    assert found.python == made.python


def test_what_a_user_managed_image_lacks_is_said_before_the_run(images: Images) -> None:
    with pytest.raises(PermanentError, match="MPI") as caught:
        images.ensure(image=BASE, user_managed=True, mpi=True)
    assert caught.value.reason is Reason.ENVIRONMENT_FAILED
    assert "mpi4py" in caught.value.message
    with pytest.raises(PermanentError, match="Python `/opt/none/python`"):
        images.ensure(image=BASE, user_managed=True, interpreter="/opt/none/python")
