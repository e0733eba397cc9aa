"""What of an address opens the place, and what is left without it."""

from __future__ import annotations

import pytest

from pulumi_training.spec.secrecy import hide_in_compute, named, names_in, reveal
from pulumi_training.spec.urls import credentials_of, without_credentials

SAS = "sv=2024-11-04&se=2027-01-01&sig=abc%2Bdef%3D"


@pytest.mark.parametrize(
    ("url", "opens", "left"),
    [
        ("s3://KEY:pass@bucket/runs", ("KEY:pass", "pass"), "s3://bucket/runs"),
        ("https://a:p%40ss@h/simple", ("a:p%40ss", "p%40ss", "p@ss"), "https://h/simple"),
        (f"https://x.blob.example.com/c/d?{SAS}", ("abc%2Bdef%3D", "abc+def="), None),
        ("https://h/c?token=abcdefgh&x=1", ("abcdefgh",), "https://h/c?x=1"),
        ("https://h/c?token=abcdefgh", ("abcdefgh",), "https://h/c"),
        ("simplecache::s3://k:secret@b/x", ("k:secret", "secret"), "simplecache::s3://b/x"),
        ("pkg @ git+https://me:tok@h/r.git", ("me:tok", "tok"), "pkg @ git+https://h/r.git"),
        ("ssh://ann@gpu-box", (), "ssh://ann@gpu-box"),
        ("abfss://container@account.dfs.example.com/x", (), "abfss://container@account.dfs.example.com/x"),
        ("sqlite:///x.db?timeout=60", (), "sqlite:///x.db?timeout=60"),
        ("./data", (), "./data"),
        ("numpy==1.2", (), "numpy==1.2"),
    ],
)
def test_credentials_are_told_from_addresses(url: str, opens: tuple[str, ...], left: str | None) -> None:
    assert credentials_of(url) == opens
    rest = without_credentials(url)
    assert left is None or rest == left
    assert credentials_of(rest) == ()


def test_names_that_a_record_has_stay_where_more_becomes_secret() -> None:
    before = named(["registry-password"])
    after = named(["a-much-longer-secret-setting", "registry-password"], after=before)
    assert before == {"[secret 1]": "registry-password"}
    assert after == {"[secret 1]": "registry-password", "[secret 2]": "a-much-longer-secret-setting"}


def test_a_cluster_keeps_what_it_is_found_by() -> None:
    compute = {
        "target": "local", "workspace": "local", "store": "s3://k:local-pass@b", "maxNodes": 2,
        "settings": {"token": "local", "memory": "local", "url": "tcp://k:local-pass@h"},
    }  # fmt: skip
    names = named(["local", "k:local-pass"])
    hidden = hide_in_compute(compute, names)
    assert (hidden["target"], hidden["workspace"], hidden["maxNodes"]) == ("local", "local", 2)
    assert hidden["settings"]["memory"] == "local"
    assert names_in(hidden["settings"]["token"]) and "local-pass" not in str(hidden)
    assert reveal(hidden, names) == compute
