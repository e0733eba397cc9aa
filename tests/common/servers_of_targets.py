"""The server of each target, as tests/common/spoken.py counts its requests."""

from __future__ import annotations

from typing import Any

from spoken import Server


def _docker_version() -> str:
    import docker

    client = docker.from_env()
    try:
        return str(client.version()["Version"])
    finally:
        client.close()


def _to_a_docker_daemon(connection: Any) -> bool:
    """The official client's connections through a Unix socket; nothing else here speaks through one."""
    return hasattr(connection, "unix_socket")


SERVERS = {"docker": Server("docker", _to_a_docker_daemon, _docker_version)}
"""By the name of the target, which is that of its marker."""
