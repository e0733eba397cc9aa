"""Pushes through the SDK to a daemon that is pretended."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import docker
import requests.adapters

from pulumi_training.environment import registry


class Body(io.BytesIO):
    """An answer that comes whole."""

    _fp = SimpleNamespace(chunked=False)


class Wire(requests.adapters.BaseAdapter):
    """The connections of a client: answers everything with the end of a push."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[Any] = []

    def send(self, request: Any, *words: Any, timeout: Any = None, **options: Any) -> requests.Response:
        self.limits.append(timeout)
        answer = requests.Response()
        answer.status_code = 200
        answer.url = request.url
        answer.raw = Body(json.dumps({"aux": {"Digest": "sha256:1"}}).encode())
        answer.request = request
        return answer

    def close(self) -> None:
        pass


def test_a_push_waits_as_long_as_the_registry_takes() -> None:
    wire = Wire()
    api = docker.APIClient(base_url="http://daemon.example.com:2375", version="1.44", timeout=60)
    api.mount("http://", wire)
    client: Any = SimpleNamespace(api=api)
    pushed = registry.push(
        client,
        "r.org/team/x:1",
        credentials={"username": "me", "password": "secret"},
        progress=lambda line: None,
    )
    assert pushed == "r.org/team/x@sha256:1"
    assert wire.limits == [None]
    assert api.timeout == 60, "what else is asked, meanwhile and later, has its limit"
    api.inspect_image("r.org/team/x:1")
    assert wire.limits == [None, 60]
