"""The Docker Engine that a cluster names: reached by socket, TCP with TLS, or ssh; its errors in our words."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...record.store import StoreError
from ...spec.errors import PermanentError, Problem, SpecError, TransientError
from ...spec.outcome import Reason
from ...spec.refusals import advice
from ...spec.urls import display
from ..withheld import given

if TYPE_CHECKING:
    import docker

SECONDS = 60
"""How long one answer of the daemon may take, and each piece of one that comes in pieces."""


def connect(address: Mapping[str, str], *, seconds: int = SECONDS) -> docker.DockerClient:
    """A client of the daemon at an address of `address.address_of`; `seconds` is the longest wait for one answer.

    Raises:
        PermanentError: the docker extra is not installed.
        SpecError: the address or its certificates cannot be read.
        TransientError: nobody answers there, and nobody did in the last seconds.
    """
    try:
        import docker  # noqa: F401
    except ImportError as error:
        raise PermanentError(
            Reason.TARGET_UNAVAILABLE,
            "the Docker SDK is not installed; pip install 'pulumi-training[docker]'",
        ) from error
    written, address = address, given(address, _property_of)
    host = address["docker_host"]
    options: dict[str, Any] = {"base_url": host, "timeout": seconds, "version": "auto"}
    if address.get("tls"):
        options["tls"] = _tls(Path(address["tls"]))
    if host.startswith("ssh://"):
        return _by_ssh(host, options)
    with asking(written):
        return _client(options)


@contextmanager
def asking(address: Mapping[str, str]) -> Iterator[None]:
    """Turns what goes wrong between us and the daemon into our errors.

    `docker.errors.NotFound` and a conflict (409) pass: only the caller knows what they mean.

    Raises:
        TransientError: no answer, half an answer, or an error of the daemon's own.
        PermanentError: the daemon refuses.
        StoreError: it is this machine that refuses, whose disk is full or whose folder cannot be written.
    """
    import tarfile

    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    host = display(address["docker_host"])
    try:
        yield
    except docker.errors.NotFound:
        raise
    except docker.errors.APIError as error:
        words = str(error.explanation or error).strip()
        if error.status_code == 409:
            raise
        if error.status_code is not None and error.status_code >= 500 and not _is_final(words):
            raise TransientError(f"the Docker daemon at {host} failed: {words}") from error
        raise PermanentError(
            Reason.LAUNCH_FAILED, f"the Docker daemon at {host} refused: {words}{_way_out(words)}"
        ) from error
    except docker.errors.TLSParameterError as error:
        raise SpecError(Problem("compute.settings.tls", str(error))) from error
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
    ) as error:
        raise TransientError(f"the Docker daemon at {host} does not answer: {_cause(error)}") from error
    except tarfile.TarError as error:
        raise TransientError(f"the Docker daemon at {host} sent half of an archive: {error}") from error
    except OSError as error:
        if _is_of_connection(error):
            raise TransientError(f"the Docker daemon at {host} does not answer: {_cause(error)}") from error
        place = error.filename or "a file of this machine"
        raise StoreError(f"{place} cannot be used: {advice(error)}") from error


@contextmanager
def talking(address: Mapping[str, str]) -> Iterator[docker.DockerClient]:
    """A client of a daemon; what goes wrong between us and it becomes one of our errors. Raises as `connect` and `asking`."""
    client = connect(address)
    try:
        with asking(address):
            yield client
    finally:
        client.close()


def cores(client: docker.DockerClient, address: Mapping[str, str]) -> int:
    """How many cores the daemon's machine has; asked once, for it is the slowest question there is."""
    host = address["docker_host"]
    if host not in _cores:
        _cores[host] = int(client.info().get("NCPU") or 1)
    return _cores[host]


def config_of(client: docker.DockerClient, image: str) -> dict[str, Any]:
    """What an image gives its containers. `image` has its digest or id, so that its answer never changes."""
    if image not in _configs:
        _configs[image] = client.api.inspect_image(image)["Config"] or {}
    return _configs[image]


def require_gpus(client: docker.DockerClient, address: Mapping[str, str], count: int) -> None:
    """Sees that the daemon offers GPUs.

    A daemon tells its runtimes, and from version 28 on the devices it found; where it lists them they are
    counted. Raises PermanentError where there are none, or fewer.
    """
    if count == 0:
        return
    info = client.info()
    listed = [
        str(device.get("ID"))
        for device in info.get("DiscoveredDevices") or []
        if str(device.get("ID", "")).startswith("nvidia.com/gpu=")
    ]
    numbered = [device for device in listed if device.rpartition("=")[2].isdigit()]
    if not listed and "nvidia" not in (info.get("Runtimes") or {}):
        raise PermanentError(
            Reason.LAUNCH_FAILED,
            f"the run needs {count} GPUs, and the Docker daemon at {address['docker_host']} offers none: install the "
            "NVIDIA Container Toolkit there (nvidia-ctk runtime configure), or set gpusPerNode to 0",
        )
    if numbered and len(numbered) < count:
        raise PermanentError(
            Reason.LAUNCH_FAILED,
            f"the run needs {count} GPUs, and the Docker daemon at {address['docker_host']} has {len(numbered)}",
        )


def _property_of(part: str) -> str:
    return {"docker_host": "compute.settings.dockerHost", "tls": "compute.settings.tls"}.get(part, part)


_cores: dict[str, int] = {}
"""By daemon."""
_versions: dict[str, tuple[str, float]] = {}
"""By daemon: the version of its API, and until when it is believed."""
_VERSION_SECONDS = 5.0
_configs: dict[str, dict[str, Any]] = {}
"""By image."""


def _client(options: Mapping[str, Any]) -> docker.DockerClient:
    """The SDK's client, but for three things.

    The daemon's own certificate authority wins over the one of REQUESTS_CA_BUNDLE. Archives have a time limit too. And
    the version of the API comes
    with the answer to a ping: to tell all its versions, the daemon first asks containerd and runc for theirs.
    """
    import docker.errors
    import requests.exceptions

    host = options["base_url"]

    class Api(docker.APIClient):  # type: ignore[misc]
        def merge_environment_settings(
            self, url: str, proxies: object, stream: object, verify: object, cert: object
        ) -> Any:
            mine = self.verify if verify is None else verify
            if url.startswith("http+docker:"):  # a socket of this machine: neither proxies nor certificates
                return {"proxies": proxies or {}, "stream": stream, "verify": mine, "cert": cert}
            return super().merge_environment_settings(url, proxies, stream, mine, cert)

        def _disable_socket_timeout(self, socket: object) -> None:
            """Nothing: files of a container come at once, or the daemon is gone. `streams` has limits of its own."""

        def _retrieve_server_version(self) -> Any:
            known, until = _versions.get(host, ("", 0.0))
            if known and time.monotonic() < until:
                return known
            try:
                answer = self.get(f"{self.base_url}/_ping", timeout=self.timeout)
            except (requests.exceptions.RequestException, OSError) as error:
                raise docker.errors.DockerException(f"no answer to a ping: {error}") from error
            told = answer.headers.get("Api-Version") if answer.ok else None
            version = told or super()._retrieve_server_version()
            _versions[host] = (version, time.monotonic() + _VERSION_SECONDS)
            return version

    client = docker.DockerClient.__new__(docker.DockerClient)
    client.api = Api(**options)
    return client


def _by_ssh(host: str, options: Mapping[str, object]) -> docker.DockerClient:
    """A client whose connections are ssh processes; closing it ends them."""
    import docker.errors

    from .tunnel import Tunnel

    try:
        tunnel = Tunnel(host)
    except OSError as error:
        words = f"the way to {host} needs a socket in the folder for temporary files"
        raise StoreError(f"{words}: {advice(error, 'another folder, by TMPDIR')}") from error
    try:
        client = _client({**options, "base_url": tunnel.address})
    except docker.errors.DockerException as error:
        words = tunnel.words() or _cause(error)
        tunnel.close()
        raise TransientError(f"the Docker daemon at {host} does not answer: {words}") from error
    close = client.close

    def close_both() -> None:
        close()
        tunnel.close()

    client.close = close_both
    return client


def _tls(folder: Path) -> Any:
    from docker.tls import TLSConfig

    files = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing == ["cert.pem", "key.pem"]:  # a daemon that asks for no certificate of its clients
        return TLSConfig(ca_cert=str(files["ca"]), verify=True)
    if missing:
        raise SpecError(
            Problem(
                "compute.settings.tls", f"{folder} has no {', '.join(missing)}; name the folder that has them"
            )
        )
    return TLSConfig(
        client_cert=(str(files["cert"]), str(files["key"])), ca_cert=str(files["ca"]), verify=True
    )


def _is_final(words: str) -> bool:
    """Errors that the daemon calls its own and that another try does not mend."""
    return any(
        known in words
        for known in (
            "could not select device driver",
            "non-overlapping",
            "no such file",
            "invalid",
            "unknown",
        )
    )


def _way_out(words: str) -> str:
    if "non-overlapping" in words:
        return "; raise default-address-pools in the daemon's settings, or run fewer multi-node jobs at once"
    return ""


_OF_THE_NETWORK = frozenset(
    (
        errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN,
        errno.EADDRNOTAVAIL, errno.EPROTO,
    )
)  # fmt: skip


def _is_of_connection(error: OSError) -> bool:
    """Whether a connection failed, and not a file: both are the same class of error."""
    from ..containers.transport import StreamEnded

    own = (ConnectionError, TimeoutError, ssl.SSLError, socket.gaierror, socket.herror, StreamEnded)
    return isinstance(error, own) or error.errno in _OF_THE_NETWORK


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__
