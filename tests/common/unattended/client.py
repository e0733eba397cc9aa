"""Requests to the service."""

from __future__ import annotations

import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

from pulumi_training.spec.errors import TransientError
from unattended.names import CREDENTIAL


class Client:
    """One service. Every request has a connection of its own, and the credential of this process's environment."""

    def __init__(self, address: str, seconds: float = 10.0) -> None:
        self.address = address
        self._seconds = seconds

    def ask(self, verb: str, **order: Any) -> dict[str, Any]:
        """The answer. Raises `TransientError`, which names the credential where that is what is missing."""
        found: dict[str, Any] = json.loads(self.send(verb, json.dumps(order).encode()))
        return found

    def send(self, verb: str, body: bytes, name: str = "") -> bytes:
        token = os.environ.get(CREDENTIAL)
        if not token:
            raise TransientError(f"{self.address} wants a credential: set {CREDENTIAL} in the environment")
        place = urlsplit(self.address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port or 0, timeout=self._seconds)
        try:
            connection.request("POST", f"/{verb}", body, {"Authorization": f"Bearer {token}", "X-Name": name})
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{self.address} does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status == 401:
            raise TransientError(f"{self.address} refuses the credential in {CREDENTIAL}")
        if answer.status != 200:
            raise TransientError(f"{self.address} answered {answer.status}: {data.decode(errors='replace')}")
        return data
