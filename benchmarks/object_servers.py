"""Object stores to measure against: a real server each, in a process of its own, and how its driver finds it."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .bench import CHECKOUT
from .processes import wait_until

TOOL = CHECKOUT / "tools" / "object-server"
SCHEMES = {"s3": "s3", "azure": "abfs", "gcs": "gs"}
"""The services, and the schemes of their URLs: S3 by Versity's gateway, Azure Blob by Azurite, GCS by fake-gcs-server."""
_DRIVERS = {"s3": "s3fs", "azure": "adlfs", "gcs": "gcsfs"}
VARIABLES = ("AWS_", "FSSPEC_", "AZURE_STORAGE_", "STORAGE_EMULATOR_", "GCSFS_")
"""How the names of the drivers' variables begin."""

# The only user of the S3 server.
_S3_USER, _S3_SECRET = "trainer", "not-much-of-a-secret"
# The account that Azurite has from the start; its key is printed in its manual.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def lacking(service: str) -> str:
    """What is missing for a service and how to bring it; empty where nothing is."""
    driver = _DRIVERS[service]
    if importlib.util.find_spec(driver) is None:
        return f"it needs {driver}, which `make setup` brings"
    if subprocess.run([TOOL, "has", service], check=False).returncode:
        return f"`tools/object-server bring {service}` brings its server"
    return ""


@contextmanager
def serving(service: str, folder: Path) -> Iterator[str]:
    """The endpoint of a new server on loopback that keeps its data in `folder`, while it runs.

    Raises RuntimeError where it ends at once, with its last words; TimeoutError where it does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(VARIABLES)},
        "ROOT_ACCESS_KEY": _S3_USER,
        "ROOT_SECRET_KEY": _S3_SECRET,
        "TMPDIR": str(folder),
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [TOOL, "serve", service, str(port), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment,
        )
    try:
        endpoint = f"http://127.0.0.1:{port}"
        wait_until(
            lambda: process.poll() is not None or _answers(endpoint), f"the server of {service}", every=0.05
        )
        if process.poll() is not None:
            raise RuntimeError(f"the server of {service} ended: {(folder / 'log').read_text()[-2000:]}")
        yield endpoint
    finally:
        process.terminate()
        process.wait(30)


def settings(service: str, endpoint: str) -> dict[str, str]:
    """The variables by which the driver of a service finds its server."""
    if service == "s3":
        return {
            "AWS_ACCESS_KEY_ID": _S3_USER,
            "AWS_SECRET_ACCESS_KEY": _S3_SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "FSSPEC_S3_ENDPOINT_URL": endpoint,
            "AWS_ENDPOINT_URL": endpoint,
        }
    if service == "azure":
        return {"AZURE_STORAGE_CONNECTION_STRING": connection_string(endpoint)}
    # Which kind a bucket is, gcsfs asks by a protocol that no emulator has.
    return {"STORAGE_EMULATOR_HOST": endpoint, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}


def connection_string(endpoint: str, key: str = _KEY) -> str:
    """How a program finds an Azurite."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={key};"
        f"BlobEndpoint={endpoint}/{_ACCOUNT};"
    )


@contextmanager
def bucket(service: str, folder: Path) -> Iterator[str]:
    """A new bucket or container of a new server, as a URL, with the driver's variables set while it lasts.

    Raises as `serving`.
    """
    import fsspec

    before = dict(os.environ)
    with serving(service, folder) as endpoint:
        try:
            for name in [known for known in os.environ if known.startswith(VARIABLES)]:
                del os.environ[name]
            os.environ.update(settings(service, endpoint))
            url = f"{SCHEMES[service]}://downloads"
            fsspec.get_filesystem_class(SCHEMES[service]).clear_instance_cache()  # of another server
            fs, root = fsspec.core.url_to_fs(url)
            fs.mkdir(root)
            yield url
        finally:
            os.environ.clear()
            os.environ.update(before)


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True  # it refuses to answer this, and so it is there
    except OSError:
        return False
