"""Object stores on this machine, each a real server: S3 (Versity's gateway), Azure Blob (Azurite) and Google Cloud Storage
(fake-gcs-server). `tools/object-server bring azure gcs s3` brings them.

One server of each per session; every test has a bucket or container of its own. The drivers find them by their own
environment variables, so programs and plugins that a test starts do too. What is not there is skipped;
`TRAINING_REQUIRE=s3,azure,gcs` makes it a failure.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from benchmarks.object_servers import SCHEMES, lacking, serving, settings
from services import missing


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served("s3", tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served("azure", tmp_path_factory.mktemp("azure")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def gcs_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served("gcs", tmp_path_factory.mktemp("gcs")) as endpoint:
        yield endpoint


@pytest.fixture(params=SCHEMES)
def bucket(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The URL of a new bucket or container, with what its driver needs in the environment."""
    service = request.param
    variables = {
        **settings(service, request.getfixturevalue(f"{service}_endpoint")),
        "TRAINING_STATE_DIR": str(tmp_path_factory.mktemp("state")),
        "TRAINING_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    url = f"{SCHEMES[service]}://runs-{uuid.uuid4().hex[:12]}"
    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    type(fs).clear_instance_cache()
    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    fs.mkdir(root)
    return url


@contextmanager
def served(service: str, folder: Path) -> Iterator[str]:
    """The endpoint of a server over a folder, while it runs; skips, or fails where TRAINING_REQUIRE names it."""
    why = lacking(service)
    if why:
        missing(service, why)
    with serving(service, folder) as endpoint:
        yield endpoint
