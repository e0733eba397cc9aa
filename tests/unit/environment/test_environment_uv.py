from __future__ import annotations

import os

import pytest

from pulumi_training.environment import interpreters, mpi, uv
from pulumi_training.spec.environment import EnvironmentSpec


@pytest.mark.parametrize(
    ("line", "short"),
    [
        ("Downloading scikit-learn (12.1MiB)", "Downloading scikit-learn (12.1 MiB)"),
        ("   Building omega @ file:///x", "Building omega"),
        ("Resolved 9 packages in 345ms", "Resolved 9 packages in 345 ms"),
        ("Installed 1 package in 0.4s", "Installed 1 package in 0.4 s"),
        (" + numpy==1.26.4", None),
        ("Using Python 3.11.7 environment at: x", None),
        ("", None),
    ],
)
def test_uvs_lines_become_short_ones(line, short):
    assert uv.progress_of(line) == short


def test_the_words_of_an_error_lose_frames_and_noise():
    old = [
        "Resolved 2 packages in 1ms",
        "warning: something",
        "  × No solution found when resolving dependencies:",
        "  ╰─▶ Because there is no version of numpy==99, your requirements are",
        "      unsatisfiable.",
        "",
        "      hint: try less",
    ]
    assert uv.words(old).splitlines() == [
        "No solution found when resolving dependencies:",
        "Because there is no version of numpy==99, your requirements are",
        "unsatisfiable.",
        "hint: try less",
    ]
    assert uv.words(["error: Failed", "  cause: no route"]) == "Failed\nno route"
    assert uv.words(["something", "else"]) == "something\nelse"


def test_credentials_in_urls_are_masked():
    assert uv.mask_urls("at https://me:secret@example.com/x") == "at https://****@example.com/x"
    assert uv.mask_urls("at https://token@example.com") == "at https://****@example.com"
    assert uv.mask_urls("mail me@example.com") == "mail me@example.com"


def test_logins_are_passwords_and_tokens():
    urls = "https://me:p%40ss@example.com/x internal=https://token@example.com https://example.com/@x"
    assert uv.logins(urls) == ("me:p%40ss", "token", "p%40ss", "p@ss")
    assert uv.logins("mail me@example.com") == ()


def test_the_specs_indexes_win_over_the_users(tmp_path):
    spec = EnvironmentSpec(
        index_url="https://a.example/simple", extra_index_urls=["https://b.example", "https://c.example"]
    )
    base = {"HOME": str(tmp_path), "UV_INDEX_URL": "https://mine.example", "PIP_CONFIG_FILE": os.devnull}
    environ = uv.environment(spec, tmp_path, base)
    assert environ["UV_DEFAULT_INDEX"] == "https://a.example/simple"
    assert environ["UV_INDEX"] == "https://b.example https://c.example"
    assert "UV_INDEX_URL" not in environ


def test_the_users_own_uv_settings_stay(tmp_path):
    base = {"HOME": str(tmp_path), "UV_INDEX_URL": "https://mine.example", "UV_LINK_MODE": "copy"}
    environ = uv.environment(EnvironmentSpec(), tmp_path, {**base, "PIP_INDEX_URL": "https://pip.example"})
    assert environ["UV_INDEX_URL"] == "https://mine.example"
    assert environ["UV_LINK_MODE"] == "copy"
    assert "UV_DEFAULT_INDEX" not in environ


def test_what_would_send_packages_elsewhere_is_dropped(tmp_path):
    base = {
        "HOME": str(tmp_path),
        "VIRTUAL_ENV": "/x",
        "UV_SYSTEM_PYTHON": "1",
        "PYTHONPATH": "/y",
        "UV_TARGET": "z",
    }
    environ = uv.environment(EnvironmentSpec(), tmp_path, base)
    assert not {"VIRTUAL_ENV", "UV_SYSTEM_PYTHON", "PYTHONPATH", "UV_TARGET"} & set(environ)


def test_pips_settings_are_told_to_uv(tmp_path):
    (tmp_path / "pip.ini").write_text(
        "[global]\nindex-url = https://file.example/simple\ncert = /file.pem\n"
        "[install]\nfind-links =\n  /a\n  /b\n"
    )
    base = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.ini"), "PIP_CERT": "/variable.pem"}
    environ = uv.environment(EnvironmentSpec(), tmp_path, base)
    assert environ["UV_DEFAULT_INDEX"] == "https://file.example/simple"
    assert environ["UV_FIND_LINKS"] == "/a,/b"
    assert environ["SSL_CERT_FILE"] == "/variable.pem"


@pytest.mark.parametrize(("value", "arguments"), [("1", ["--no-index"]), ("no", []), ("", [])])
def test_pips_wish_for_no_index_is_an_argument(tmp_path, value, arguments):
    base = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": value}
    assert uv.index_arguments(base) == arguments
    assert "no-index" not in uv.environment(EnvironmentSpec(), tmp_path, base)


def test_pips_indexes_are_left_alone_where_uv_is_configured(tmp_path):
    (tmp_path / "uv.toml").touch()
    base = {
        "HOME": str(tmp_path), "UV_CONFIG_FILE": str(tmp_path / "uv.toml"), "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "https://pip.example", "PIP_CERT": "/c.pem",
    }  # fmt: skip
    environ = uv.environment(EnvironmentSpec(), tmp_path, base)
    assert "UV_DEFAULT_INDEX" not in environ
    assert environ["SSL_CERT_FILE"] == "/c.pem"


def test_a_bundle_of_authorities_counts_from_the_source_folder(tmp_path):
    environ = uv.environment(EnvironmentSpec(ca_bundle="./ca.pem"), tmp_path, {"HOME": str(tmp_path)})
    assert environ["SSL_CERT_FILE"] == str(tmp_path.resolve() / "ca.pem")


@pytest.mark.parametrize(
    ("text", "flavour"),
    [
        ("mpirun (Open MPI) 5.0.11\n\nReport bugs to https://www.open-mpi.org/", "openmpi5"),
        ("mpirun (Open MPI) 4.1.4", "openmpi4"),
        ("mpiexec (OpenRTE) 4.0.3", "openmpi4"),
        ("HYDRA build details:\n    Version:  5.0.2\n", "mpich"),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.17 Build 20251009\n", "intel"),
        ("srun 22.05", None),
        ("", None),
    ],
)
def test_launchers_are_known_by_their_version(text, flavour):
    assert mpi.parse_version(text) == flavour


@pytest.mark.parametrize("version", [None, "3.11", "3.11.4", "3", ">=3.10", ">=3.10,<3.13", "==3.11.*"])
def test_python_versions(version):
    assert interpreters.problems(version) == []


@pytest.mark.parametrize("version", ["three", "", "3.11-rc", "python3.11", "3.", "3.11; rm"])
def test_python_versions_that_are_none(version):
    assert [p.path for p in interpreters.problems(version)] == ["environment.pythonVersion"]
