"""The command that reaches a daemon by ssh."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_training.spec.errors import PermanentError, SpecError
from pulumi_training.targets.docker.tunnel import ssh_line


@pytest.fixture(autouse=True)
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


def test_user_host_and_port_become_words(client: Path) -> None:
    words = ssh_line("ssh://me@gpu-box:2222")
    assert words[0] == str(client) and "BatchMode=yes" in words
    assert words[words.index("-p") + 1] == "2222" and words[words.index("-l") + 1] == "me"
    assert words[-3:] == ["--", "gpu-box", "docker system dial-stdio"]
    assert "-p" not in ssh_line("ssh://gpu-box") and "-l" not in ssh_line("ssh://gpu-box")


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh://me@host:port", "ssh://-oProxyCommand=x", "ssh://-x@host", "ssh://h/p"]
)
def test_what_cannot_be_read_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(SpecError, match="ssh://user@host") as caught:
        ssh_line(url)
    assert caught.value.path == "compute.settings.dockerHost"


def test_without_a_client_it_says_what_to_install(client: Path) -> None:
    client.unlink()
    with pytest.raises(PermanentError, match="openssh-client"):
        ssh_line("ssh://gpu-box")
