from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import fsspec
import pytest

from pulumi_training.data import references
from pulumi_training.data.fingerprint import Thoroughness, fingerprint
from pulumi_training.data.objects import _object
from pulumi_training.identity import hashing
from pulumi_training.spec.errors import SpecError


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    (folder / "deep").mkdir(parents=True)
    (folder / "train.csv").write_text("1,2\n")
    (folder / "deep" / "test.csv").write_text("3,4\n")
    return folder


def test_touching_copying_and_moving_change_nothing(digits: Path, tmp_path: Path) -> None:
    before = fingerprint(str(digits))
    assert before.startswith("v1:") and len(before) == 67
    os.utime(digits / "train.csv")
    assert fingerprint(str(digits)) == before
    shutil.copytree(digits, tmp_path / "copy")
    assert fingerprint("copy", base=tmp_path) == before
    assert fingerprint(f"file://{digits}") == before


def test_each_change_of_content_changes_it(digits: Path) -> None:
    seen = {fingerprint(str(digits))}
    (digits / "train.csv").write_text("1,3\n")
    seen.add(fingerprint(str(digits)))
    (digits / "new.csv").write_text("")
    seen.add(fingerprint(str(digits)))
    (digits / "new.csv").rename(digits / "other.csv")
    seen.add(fingerprint(str(digits)))
    (digits / "deep" / "test.csv").unlink()
    seen.add(fingerprint(str(digits)))
    assert len(seen) == 5


def test_an_unchanged_folder_is_not_read_again(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time.sleep(0.1)  # the cache believes no stamp younger than that
    before = fingerprint(str(digits))
    read: list[str] = []
    real = hashing.digest_file
    monkeypatch.setattr(hashing, "digest_file", lambda path, *how: read.append(path) or real(path, *how))
    assert fingerprint(str(digits)) == before and read == []
    os.utime(digits / "train.csv")
    assert fingerprint(str(digits)) == before
    assert [Path(path).name for path in read] == ["train.csv"]


def test_fast_looks_at_names_and_sizes_only(digits: Path) -> None:
    before = fingerprint(str(digits), thoroughness=Thoroughness.FAST)
    (digits / "train.csv").write_text("9,9\n")
    assert fingerprint(str(digits), thoroughness=Thoroughness.FAST) == before
    (digits / "train.csv").write_text("9,9\n9\n")
    assert fingerprint(str(digits), thoroughness=Thoroughness.FAST) != before
    assert fingerprint(str(digits)) != before


def test_a_single_file_has_one_too(digits: Path) -> None:
    one, other = fingerprint(str(digits / "train.csv")), fingerprint(str(digits / "deep" / "test.csv"))
    assert one != other


def test_links_are_followed_and_loops_end(digits: Path, tmp_path: Path) -> None:
    (digits / "loop").symlink_to(digits)
    (digits / "broken").symlink_to("nowhere")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "x.csv").write_text("1")
    before = fingerprint(str(digits))
    (digits / "far").symlink_to(tmp_path / "far")
    linked = fingerprint(str(digits))
    (tmp_path / "far" / "x.csv").write_text("2")
    assert len({before, linked, fingerprint(str(digits))}) == 3


def test_missing_data_names_what_is_near(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"does not exist. Did you mean digits") as raised:
        fingerprint("./digist", base=tmp_path, path="inputs.digits.uri")
    assert raised.value.path == "inputs.digits.uri"
    with pytest.raises(SpecError, match=r"has deep, train\.csv"):
        fingerprint(str(digits / "zzzzz"))
    with pytest.raises(SpecError, match="Did you mean digits"):
        fingerprint(str(tmp_path / "digit" / "deep" / "test.csv"))


def test_data_in_an_object_store(bucket: str) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"{bucket}/digits/a.csv", b"1")
    memory.pipe_file(f"{bucket}/digits/deep/b.csv", b"2")
    before = fingerprint(f"{bucket}/digits")
    assert fingerprint(f"{bucket}/digits") == before
    fast = fingerprint(f"{bucket}/digits", thoroughness=Thoroughness.FAST)
    time.sleep(0.002)
    memory.pipe_file(f"{bucket}/digits/a.csv", b"3")
    assert fingerprint(f"{bucket}/digits") != before
    assert fingerprint(f"{bucket}/digits", thoroughness=Thoroughness.FAST) == fast
    with pytest.raises(SpecError, match="Did you mean digits"):
        fingerprint(f"{bucket}/digit")
    assert references.exists(f"{bucket}/digits") and not references.exists(f"{bucket}/none")


@pytest.mark.parametrize(
    ("info", "mark", "md5"),
    [
        ({"ETag": '"900150983cd24fb0d6963f7d28e17f72"'}, "900150983cd24fb0d6963f7d28e17f72", True),
        ({"ETag": '"900150983cd24fb0d6963f7d28e17f72-2"'}, "900150983cd24fb0d6963f7d28e17f72-2", False),
        (
            {"ETag": '"900150983cd24fb0d6963f7d28e17f72"', "ServerSideEncryption": "aws:kms"},
            "900150983cd24fb0d6963f7d28e17f72",
            False,
        ),
        ({"md5Hash": "kAFQmDzST7DWlj99KOF/cg==", "etag": "CJ=="}, "900150983cd24fb0d6963f7d28e17f72", True),
        ({"crc32c": "AAAA", "etag": "CJ=="}, "AAAA", False),
        (
            {"content_settings": {"content_md5": bytearray.fromhex("900150983cd24fb0d6963f7d28e17f72")}},
            "900150983cd24fb0d6963f7d28e17f72",
            True,
        ),
        ({"etag": "0x8D", "content_settings": {"content_md5": None}}, "0x8D", False),
        ({"mtime": 5}, "5", False),
        ({}, "", False),
    ],
)
def test_services_tell_content_in_their_own_ways(info: dict[str, object], mark: str, md5: bool) -> None:
    found = _object("a", {"size": 3, **info})
    assert found.mark == mark
    assert found.md5 == (mark if md5 else None)


def test_no_credential_is_shown() -> None:
    place = references.resolve("s3://key:hunter22@bucket/data?sig=abcdef")
    assert "hunter22" not in f"{place} {place!r} {place.display}" and "abcdef" not in repr(place)
