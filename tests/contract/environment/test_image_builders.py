"""Builds without a daemon: what of a secret is seen, and what a builder is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import python_on_whales
from python_on_whales.exceptions import DockerException

from pulumi_training.environment import builder
from pulumi_training.environment.builder_buildkit import BuildKit
from pulumi_training.spec.errors import PermanentError

KEY = "-----BEGIN KEY-----\n  dGhpcyBpcyBubyBrZXk\nx\n-----END KEY-----\n"
CLIENT: Any = SimpleNamespace(api=SimpleNamespace(base_url="http://daemon.example.com:2375"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of each build; all builds fail, and say what a careless step would."""
    options_of: list[dict[str, Any]] = []

    def build(folder: Path, **options: Any) -> Iterator[str]:
        options_of.append(options)
        yield "#5 [2/2] RUN cat /run/secrets/key\n"
        for line in KEY.splitlines():
            yield f"#5 0.1 {line}\n"
        yield "#5 0.2 looking at https://me:hunter2@example.com/simple with hunter2\n"
        yield "#5 ERROR: it failed\n"
        raise DockerException(["docker"], 1)

    client = SimpleNamespace(buildx=SimpleNamespace(build=build))
    monkeypatch.setattr(python_on_whales, "DockerClient", lambda **options: client)
    return options_of


def run(folder: Path, *secrets: str) -> tuple[str, PermanentError]:
    """Builds; returns the log and the error."""
    log = folder / "log"
    what = builder.Build(folder=folder, dockerfile=folder / "Dockerfile", tag="x:1")
    with pytest.raises(PermanentError, match="could not be built") as caught:
        builder.run(BuildKit(CLIENT), what, log, lambda line: None, secrets=secrets)
    return log.read_text(), caught.value


@pytest.mark.usefixtures("asked")
def test_no_line_of_a_secret_is_seen(tmp_path: Path) -> None:
    log, error = run(tmp_path, KEY)
    for text in (log, error.message, error.log_tail):
        assert "BEGIN KEY" not in text
        assert "dGhpcyBpcyBubyBrZXk" not in text
        assert "x\n" not in text, "a line of a secret is secret where it stands alone"
        assert "example.com" in text, "and inside of words it is none"
        assert "[secret]" in text


@pytest.mark.usefixtures("asked")
def test_no_login_in_an_address_is_seen(tmp_path: Path) -> None:
    log, error = run(tmp_path, "hunter2")
    for text in (log, error.message):
        assert "https://****@example.com/simple with [secret]" in text
    log, error = run(tmp_path)
    assert "me:hunter2" not in log + error.message


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("github.com/docker/buildx v0.12.1 30feaa1a915b869ebc2eea6328624b49facd4bfb", (0, 12)),
        ("github.com/docker/buildx 0.20.1 0.20.1-0ubuntu1", (0, 20)),
        ("github.com/docker/buildx v0.9.1-docker.3 0.9", (0, 9)),
        ("github.com/docker/buildx 30feaa1", ()),
        ("docker: unknown command", None),
    ],
)
def test_what_buildx_does_not_know_it_is_not_asked_for(
    asked: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    version: tuple[int, ...] | None,
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv(builder.BUILDER_VARIABLE, raising=False)
    assert builder.buildx_version() == version
    chosen = builder.choose(CLIENT)
    assert chosen.mounts is (version is not None)
    if chosen.mounts:
        what = builder.Build(folder=tmp_path, dockerfile=tmp_path / "Dockerfile", tag="x:1")
        with pytest.raises(PermanentError):
            builder.run(chosen, what, tmp_path / "log", lambda line: None)
        assert [options["provenance"] for options in asked] == [None if version == (0, 9) else False]


def test_a_builder_that_is_asked_for_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(builder.BUILDER_VARIABLE, "buildkit")
    with pytest.raises(PermanentError, match="does not answer"):
        builder.choose(CLIENT)
    monkeypatch.setenv(builder.BUILDER_VARIABLE, "classic")
    assert not builder.choose(CLIENT).mounts
