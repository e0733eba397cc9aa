"""An S3 server on this machine, moto's, where `moto[server]` and `s3fs` are installed; skipped elsewhere.

`TRAINING_REQUIRE=s3` makes the missing packages a failure.
"""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Iterator

import pytest
from services import missing as lacking


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    missing = [name for name in ("moto", "s3fs", "flask") if importlib.util.find_spec(name) is None]
    if missing:
        words = f"needs {', '.join(missing)} (pip install 'moto[server]' s3fs)"
        lacking("s3", words)
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(
    s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> str:
    """`s3://<a new bucket>`, with what s3fs needs in the environment."""
    import s3fs

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "FSSPEC_S3_ENDPOINT_URL": s3_endpoint,
        "AWS_ENDPOINT_URL": s3_endpoint,
        "TRAINING_STATE_DIR": str(tmp_path_factory.mktemp("state")),
        "TRAINING_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"runs-{uuid.uuid4().hex[:12]}"
    s3fs.S3FileSystem(endpoint_url=s3_endpoint).mkdir(name)
    return f"s3://{name}"
