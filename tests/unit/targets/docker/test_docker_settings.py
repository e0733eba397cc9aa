"""A cluster's settings, as texts and typed, and the daemon they name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pulumi_training.spec.errors import SpecError, TransientError
from pulumi_training.targets.contract.handle import ComputeReference
from pulumi_training.targets.docker.address import address_of
from pulumi_training.targets.docker.engine import connect
from pulumi_training.targets.docker.settings import container_settings


def test_nothing_is_limited_unless_asked_for() -> None:
    settings = container_settings({})
    assert settings.shm_bytes == 2 << 30
    assert (settings.memory_bytes, settings.nano_cpus, settings.user, settings.ulimits) == (
        None,
        None,
        None,
        (),
    )


TEXTS = {
    "memory": "1.5g",
    "cpus": "2.5",
    "shmSize": "64m",
    "ulimits": "memlock=-1, nofile=1:2",
    "user": "10:20",
}
TYPED = {
    "memory": "1.5g",
    "cpus": 2.5,
    "shmSize": "64m",
    "ulimits": [{"name": "memlock", "soft": -1}, {"name": "nofile", "soft": 1.0, "hard": 2.0}],
    "user": "10:20",
}


@pytest.mark.parametrize(
    "compute",
    [
        {"settings": TEXTS},
        {"docker": TYPED},
        {"settings": TEXTS, "docker": TYPED},
        {"settings": {"memory": "1536m", "user": "10:20", "ulimits": ""}, "docker": {**TYPED, "user": None}},
    ],
    ids=["texts", "typed", "both", "some of each"],
)
def test_everything_is_read_wherever_it_is_given(compute: dict[str, Any]) -> None:
    settings = container_settings(compute)
    assert (settings.memory_bytes, settings.nano_cpus) == (1610612736, 2_500_000_000)
    assert (settings.shm_bytes, settings.user) == (64 << 20, "10:20")
    assert settings.ulimits == (
        {"Name": "memlock", "Soft": -1, "Hard": -1},
        {"Name": "nofile", "Soft": 1, "Hard": 2},
    )


def test_the_jobs_own_shared_memory_wins() -> None:
    assert container_settings({"settings": {"shmSize": "1g"}}, "8g").shm_bytes == 8 << 30
    assert container_settings({"docker": {"shmSize": "1g"}}, "8g").shm_bytes == 8 << 30


def test_the_daemon_is_found_in_either_place() -> None:
    def settings(**compute: Any) -> dict[str, Any]:
        return ComputeReference({"target": "docker", **compute}).settings

    assert settings(settings={"dockerHost": "tcp://a:1"}) == {"dockerHost": "tcp://a:1"}
    assert settings(docker={"dockerHost": "tcp://a:1", "tls": "/c"}) == {
        "dockerHost": "tcp://a:1",
        "tls": "/c",
    }
    mixed = settings(
        settings={"dockerHost": "tcp://a:1"}, docker={"dockerHost": None, "tls": "/c"}, local={"x": 1}
    )
    assert mixed == {"dockerHost": "tcp://a:1", "tls": "/c"}
    assert settings(settings=None, docker=None) == {}


def test_a_withheld_setting_is_named_where_it_stands() -> None:
    for place in ("settings", "docker"):
        compute = ComputeReference({"target": "docker", place: {"dockerHost": "tcp://[secret 1]@h"}}, "fit-1")
        with pytest.raises(TransientError, match=rf"compute\.{place}\.dockerHost is a secret"):
            _ = compute.settings
        known = ComputeReference(compute.document, "fit-1", secrets={"[secret 1]": "a:b"})
        assert known.settings == {"dockerHost": "tcp://a:b@h"}


def test_both_forms_are_asked_in_one_question() -> None:
    one, two = ({"target": "docker", place: {"dockerHost": "tcp://h"}} for place in ("settings", "docker"))
    assert ComputeReference(one).key == ComputeReference(two).key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory", "much"),
        ("cpus", "0"),
        ("cpus", "nan"),
        ("ulimits", "nofile"),
        ("user", "root"),
        ("colour", "red"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_name(name: str, value: str) -> None:
    with pytest.raises(SpecError) as error:
        container_settings({"settings": {name: value}})
    assert [p.path for p in error.value.problems] == [f"compute.settings.{name}"]


def test_the_clusters_daemon_wins_over_the_environments(tmp_path: Path) -> None:
    environ = {"DOCKER_HOST": "tcp://b:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    assert address_of({"dockerHost": "tcp://a:1"}, environ) == {"docker_host": "tcp://a:1"}
    assert address_of({}, environ) == {"docker_host": "tcp://b:2376", "tls": str(tmp_path)}


def context(home: Path, name: str, host: str, *certificates: str) -> Path:
    """A docker context as the docker command keeps it; answers the folder of its certificates."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker" / "contexts" / "meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}))
    folder = home / ".docker" / "contexts" / "tls" / digest / "docker"
    folder.mkdir(parents=True)
    for certificate in certificates:
        (folder / certificate).touch()
    return folder


def test_a_docker_context_names_the_daemon_and_its_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = context(tmp_path, "far", "tcp://far:2376", "ca.pem", "cert.pem", "key.pem")
    context(tmp_path, "near", "tcp://near:2375").rmdir()
    far = {"docker_host": "tcp://far:2376", "tls": str(folder)}
    assert address_of({}, {"DOCKER_CONTEXT": "far", "DOCKER_HOST": "tcp://b:1"}) == far
    assert address_of({}, {"DOCKER_HOST": "tcp://b:1"}) == {"docker_host": "tcp://b:1"}
    assert address_of({}, {}) == {"docker_host": "unix:///var/run/docker.sock"}
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "near"}')
    assert address_of({}, {}) == {"docker_host": "tcp://near:2375"}
    assert address_of({}, {"DOCKER_CONFIG": str(tmp_path / ".docker")}) == {"docker_host": "tcp://near:2375"}
    with pytest.raises(SpecError, match="there is no docker context 'nowhere'"):
        address_of({}, {"DOCKER_CONTEXT": "nowhere"})


def test_missing_certificates_are_named(tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem"):
        (tmp_path / name).touch()
    with pytest.raises(SpecError, match=r"has no key\.pem"):
        connect({"docker_host": "tcp://127.0.0.1:1", "tls": str(tmp_path)})
