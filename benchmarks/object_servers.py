"""Object stores to measure against: a real server each, in a process of its own, and how its driver finds it."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .bench import CHECKOUT
from .processes import wait_until

TOOL = CHECKOUT / "tools" / "object-server"
SCHEMES = {"s3": "s3", "azure": "abfs"}
"""The services, and the schemes of their URLs: S3 by moto's server, Azure Blob by Azurite."""
_MODULES = {"s3": ("s3fs", "moto", "flask"), "azure": ("adlfs",)}
_VARIABLES = ("AWS_", "FSSPEC_", "AZURE_STORAGE_")

# The account that Azurite has from the start; its key is printed in its manual.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def lacking(service: str) -> str:
    """What is missing for a service and how to bring it; empty where nothing is."""
    modules = [name for name in _MODULES[service] if importlib.util.find_spec(name) is None]
    if modules:
        return f"it needs {', '.join(modules)}, which `make setup` brings"
    if service == "azure" and subprocess.run([TOOL, "has", service], check=False).returncode:
        return f"`tools/object-server bring {service}` brings its server"
    return ""


@contextmanager
def served(service: str, folder: Path) -> Iterator[str]:
    """A new bucket or container of a new server, as a URL, with the driver's variables set while it lasts.

    The server keeps its data in `folder`. Raises RuntimeError where it does not start.
    """
    folder.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = (
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
        if service == "s3"
        else [str(TOOL), "serve", service, port, str(folder)]
    )
    before = dict(os.environ)
    clean = {name: value for name, value in before.items() if not name.startswith(_VARIABLES)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**clean, "TMPDIR": str(folder)}
        )  # fmt: skip
    try:
        endpoint = f"http://127.0.0.1:{port}"
        wait_until(lambda: process.poll() is not None or _answers(endpoint), f"the server of {service}")
        if process.poll() is not None:
            raise RuntimeError(f"the server of {service} ended: {(folder / 'log').read_text()[-500:]}")
        for name in set(before) - set(clean):
            del os.environ[name]
        os.environ.update(_settings(service, endpoint))
        yield _bucket(service)
    finally:
        os.environ.clear()
        os.environ.update(before)
        process.terminate()
        process.wait(30)


def _settings(service: str, endpoint: str) -> Mapping[str, str]:
    if service == "s3":
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return {
            **dict.fromkeys(names, "test"),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
        }
    account = f"AccountName={_ACCOUNT};AccountKey={_KEY};BlobEndpoint={endpoint}/{_ACCOUNT};"
    return {"AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{account}"}


def _bucket(service: str) -> str:
    import fsspec

    url = f"{SCHEMES[service]}://downloads"
    fsspec.get_filesystem_class(SCHEMES[service]).clear_instance_cache()  # of another server
    fs, root = fsspec.core.url_to_fs(url)
    fs.mkdir(root)
    return url


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True  # it refuses to answer this, and so it is there
    except OSError:
        return False
