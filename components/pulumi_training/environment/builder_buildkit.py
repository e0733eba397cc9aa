"""BuildKit, by Docker's own command line (`docker buildx`) through python-on-whales."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import uv
from .builder_steps import BuildKitSteps

if TYPE_CHECKING:
    from docker import DockerClient

    from .builder import Build

BUILDER = "default"
"""The builder inside the daemon: its images are there at once, and it sees those that are there."""
_PROVENANCE = (0, 10)
"""The buildx from which on there is `--provenance`; it is on by itself there, and makes an index of an image."""
_MEMORY = Path("/dev/shm")


class BuildKit:
    """See `builder.Builder`."""

    mounts = True

    def __init__(self, client: DockerClient, version: tuple[int, ...] = ()) -> None:
        """`version` is buildx's; () counts as a new one."""
        self._connection = connection_of(client)
        self._knows_provenance = not version or version >= _PROVENANCE

    def run(self, build: Build, log: IO[str], progress: Callable[[str], None]) -> None:
        """See `builder.Builder.run`. Secrets are files of this user in memory, gone when the build has ended."""
        import python_on_whales
        from python_on_whales.exceptions import DockerException

        steps = BuildKitSteps(progress)
        docker = python_on_whales.DockerClient(**self._connection)
        place = _MEMORY if _MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(prefix="training-build-", dir=place) as folder:
            secrets = []
            for index, (name, value) in enumerate(build.secrets.items()):
                file = Path(folder) / str(index)
                file.touch(mode=0o600)
                file.write_text(value, encoding="utf-8")
                secrets.append(f"id={name},src={file}")
            try:
                for line in docker.buildx.build(
                    build.folder,
                    file=build.dockerfile,
                    builder=BUILDER,
                    tags=[build.tag],
                    build_args=dict(build.arguments),
                    platforms=[build.platform] if build.platform else None,
                    secrets=secrets,
                    cache=not build.is_fresh,
                    load=True,
                    progress="plain",
                    provenance=False if self._knows_provenance else None,
                    stream_logs=True,
                ):
                    log.write(uv.mask_urls(line.rstrip("\n")) + "\n")
                    steps.take(line)
            except DockerException as error:
                raise steps.failed() from error
            except BaseException:
                _stop(build.tag)
                raise


def connection_of(client: DockerClient) -> dict[str, Any]:
    """What the command line must be told to reach the daemon that the SDK's client speaks with."""
    api = client.api
    adapter: Any = getattr(api, "_custom_adapter", None)
    found: dict[str, Any] = {}
    if hasattr(adapter, "socket_path"):
        found["host"] = f"unix://{adapter.socket_path}"
    elif hasattr(adapter, "ssh_host"):
        host = str(adapter.ssh_host)
        found["host"] = host if host.startswith("ssh://") else f"ssh://{host}"
    else:
        scheme, _, rest = str(api.base_url).partition("://")
        found["host"] = f"tcp://{rest}"
        if scheme == "https":
            found["tlsverify" if api.verify else "tls"] = True
            if isinstance(api.verify, str):
                found["tlscacert"] = api.verify
            if api.cert:
                found["tlscert"], found["tlskey"] = api.cert
    return found


def _stop(tag: str) -> None:
    """Ends the command line of this build: whoever waited for it has gone."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        try:
            if tag in child.cmdline():
                child.terminate()
        except psutil.NoSuchProcess:
            continue
