"""What `doctor` looks at for jobs on Docker: whether a daemon answers."""

from __future__ import annotations

from ...spec.errors import PermanentError, TrainingError
from ..contract.check import Check, State
from .address import address_of
from .engine import connect

_DOCKER_SECONDS = 5
_CLIENT = "pip install 'pulumi-training[docker]'"
_START = "start Docker, or name a daemon with DOCKER_HOST or the cluster's docker_host"


def docker() -> list[Check]:
    """Whether the daemon answers that jobs on Docker would ask; jobs on this machine need none."""
    host = ""
    try:
        address = address_of({})
        host = address["docker_host"]
        client = connect(address, seconds=_DOCKER_SECONDS)
        try:
            version = client.version()["Version"]
        finally:
            client.close()
    except PermanentError as error:
        return [
            Check("Docker", State.INFO, f"{error.message.partition(';')[0]}; for jobs on Docker", _CLIENT)
        ]
    except (TrainingError, OSError) as error:
        return [Check("Docker", State.INFO, f"{error}; jobs on Docker need it", _START)]
    return [Check("Docker", State.OK, f"{version}, {host}")]
