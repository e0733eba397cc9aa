"""The backend as Pulumi's command line resolves it: which one counts, and which ways of writing it are equal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pulumi_training.record.backend import Backend, backend_at, current


def at(url: str, base: Path = Path("/work"), **environ: str) -> Backend:
    found = backend_at(url, base, environ)
    assert found is not None
    return found


def log_in(home: Path, url: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "credentials.json").write_text(json.dumps({"current": url, "accessTokens": {url: "pul-secret"}}))


def test_the_environment_wins_then_the_project_then_the_login(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    log_in(home, "file:///login")
    environ = {"PULUMI_HOME": str(home)}
    assert current(project / "deep", environ) == at("file:///login")
    (project / "Pulumi.yaml").write_text("name: p\nbackend: {url: 'file:///project'}\n")
    assert current(project / "deep", environ) == at("file:///project")
    environ["PULUMI_BACKEND_URL"] = "file:///told"
    assert current(project / "deep", environ) == at("file:///told")


def test_a_project_without_a_backend_leaves_it_to_the_login(tmp_path: Path) -> None:
    log_in(tmp_path / "home", "s3://states")
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    assert current(tmp_path, {"PULUMI_HOME": str(tmp_path / "home")}) == at("s3://states")


@pytest.mark.parametrize("text", ["", "{garbage", "[]", '"text"', '{"sealed": "b64", "store": "keyring"}'])
def test_a_login_that_cannot_be_read_is_no_backend(text: str, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(text)
    environ = {"PULUMI_HOME": str(tmp_path)}
    assert current(tmp_path, environ) is None
    told = {**environ, "PULUMI_API": "https://pulumi.example.org/", "PULUMI_ACCESS_TOKEN": "x"}
    assert current(tmp_path, told) == at("https://pulumi.example.org")


def test_no_login_is_no_backend_and_a_token_alone_is_the_service(tmp_path: Path) -> None:
    environ = {"PULUMI_HOME": str(tmp_path / "none")}
    assert current(tmp_path, environ) is None
    token = {**environ, "PULUMI_ACCESS_TOKEN": "pul-1"}
    assert current(tmp_path, token) == at("https://api.pulumi.com")


@pytest.mark.parametrize(
    "other",
    [
        "file:///data/state/",
        "file:///data/state//",
        "file:///data/./state",
        "file:///data/other/../state",
        "file:///data/state?no_tmp_dir=true",
        "file://~/state",
        "file://../data/state",
        "file://./../data/state/",
    ],
)
def test_one_folder_written_in_many_ways_is_one_backend(other: str) -> None:
    found = at(other, HOME="/data")
    assert found == at("file:///data/state") and found.folder == Path("/data/state")


def test_a_link_to_the_folder_is_the_folder(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to("state")
    assert at(f"file://{tmp_path}/link") == at(f"file://{tmp_path}/state")


def test_a_relative_folder_is_the_one_where_pulumi_runs(tmp_path: Path) -> None:
    """Pulumi resolves it against its working directory, below a project's folder too."""
    (tmp_path / "Pulumi.yaml").write_text("name: p\nbackend: {url: 'file://./state'}\n")
    (tmp_path / "deep").mkdir()
    assert current(tmp_path, {}) == at(f"file://{tmp_path}/state")
    assert current(tmp_path / "deep", {}) == at(f"file://{tmp_path}/deep/state")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://b/p?endpoint=h:9000&use_path_style=true", "s3://b/p/?use_path_style=true&endpoint=h:9000"),
        (
            "s3://b?endpoint=minio:9000&disableSSL=true",
            "s3://b/?endpoint=http://minio:9000&disable_https=true",
        ),
        ("s3://b?region=eu-west-1&profile=me", "s3://b"),
        ("gs://b/p/", "gs://b/p"),
        ("postgres://me:one@db/states?sslmode=disable", "postgres://me:two@db/states"),
        ("https://api.pulumi.com/", "https://api.pulumi.com"),
        ("https://app.pulumi.com", "https://API.pulumi.com:443"),
    ],
)
def test_equal_addresses_are_one_backend(one: str, other: str) -> None:
    assert at(one).digest == at(other).digest


def test_what_is_another_place_is_another_backend() -> None:
    urls = [
        "file:///data/state", "file:///data/state2", "file:///data", "s3://b", "s3://b/p", "s3://c",
        "s3://b?endpoint=minio:9000", "gs://b", "azblob://b", "azblob://b?storage_account=one",
        "https://api.pulumi.com", "https://pulumi.example.org", "http://localhost:8080", "postgres://db/states",
    ]  # fmt: skip
    assert len({at(url).digest for url in urls}) == len(urls)


def test_a_variable_that_stands_in_for_a_parameter_counts() -> None:
    assert at("azblob://b", AZURE_STORAGE_ACCOUNT="one").digest == at("azblob://b?storage_account=one").digest
    assert at("azblob://b", AZURE_STORAGE_ACCOUNT="two").digest != at("azblob://b?storage_account=one").digest
    minio = at("s3://b", AWS_ENDPOINT_URL_S3="http://minio:9000")
    assert minio.digest == at("s3://b?endpoint=minio:9000").digest


def test_what_is_said_of_a_backend_holds_no_credentials() -> None:
    for url in (
        "postgres://me:hunter2@db/states",
        "https://me:hunter2@pulumi.example.org",
        "s3://b?token=hunter2",
    ):
        found = at(url)
        assert "hunter2" not in repr(found) and len(found.digest) == 20


@pytest.mark.parametrize("url", ["", "state", "://", "http://[", "s3://"])
def test_no_address_is_no_backend(url: str) -> None:
    assert backend_at(url, Path("/work"), {}) is None
