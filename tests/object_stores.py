"""Object stores on this machine, each a real server: S3 (moto's), Azure Blob (Azurite) and Google Cloud Storage
(fake-gcs-server). `tools/object-server bring azure gcs` brings the last two.

One server of each per session; every test has a bucket or container of its own. The drivers find them by their own
environment variables, so programs and plugins that a test starts do too. What is not there is skipped;
`TRAINING_REQUIRE=s3,azure,gcs` makes it a failure.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from services import missing as lacking

TOOL = Path(__file__).resolve().parents[1] / "tools" / "object-server"
SECONDS = 60
"""How long a server may take to start on a busy machine."""
SERVICES = {"s3": "s3", "azure": "abfs", "gcs": "gs"}
"""The schemes of the services' URLs."""
VARIABLES = ("AWS_", "FSSPEC_", "AZURE_STORAGE_", "STORAGE_EMULATOR_", "GCSFS_")
"""How the names of the drivers' variables begin."""

# The account that Azurite has from the start; its key is printed in its manual.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    _require_modules("s3", "moto", "s3fs", "flask")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    _require_modules("azure", "adlfs")
    with served("azure", tmp_path_factory.mktemp("azure")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def gcs_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    _require_modules("gcs", "gcsfs")
    with served("gcs", tmp_path_factory.mktemp("gcs")) as endpoint:
        yield endpoint


@pytest.fixture(params=SERVICES)
def bucket(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The URL of a new bucket or container, with what its driver needs in the environment."""
    service = request.param
    settings = {
        **settings_of(service, request.getfixturevalue(f"{service}_endpoint")),
        "TRAINING_STATE_DIR": str(tmp_path_factory.mktemp("state")),
        "TRAINING_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    url = f"{SERVICES[service]}://runs-{uuid.uuid4().hex[:12]}"
    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    type(fs).clear_instance_cache()
    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    fs.mkdir(root)
    return url


def settings_of(service: str, endpoint: str) -> Mapping[str, str]:
    """The variables by which the driver of a service finds its server."""
    if service == "s3":
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
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
def served(service: str, folder: Path) -> Iterator[str]:
    """The endpoint of a server over a folder, while it runs; skips, or fails where TRAINING_REQUIRE names it."""
    if subprocess.run([TOOL, "has", service], check=False).returncode:
        lacking(service, f"no server for it: run tools/object-server bring {service}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [TOOL, "serve", service, str(port), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={n: v for n, v in os.environ.items() if not n.startswith(VARIABLES)},
        )
    try:
        endpoint = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + SECONDS
        while not _answers(endpoint):
            said = (folder / "log").read_text()[-2000:]
            assert process.poll() is None and time.monotonic() < deadline, f"{service} does not start: {said}"
            time.sleep(0.05)
        yield endpoint
    finally:
        process.terminate()
        process.wait(30)


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True  # it refuses to answer this, and so it is there
    except OSError:
        return False


def _require_modules(service: str, *modules: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        lacking(service, f"needs {', '.join(missing)}; make setup brings them")
