from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from pulumi_training.record import files
from pulumi_training.record.object_store import ObjectStore
from pulumi_training.record.store import NotFound, Store, StoreError
from pulumi_training.spec.errors import SpecError, TransientError


def test_what_is_written_is_read_listed_and_removed(store: Store) -> None:
    store.write("runs/a/run.json", b"one")
    store.write("runs/a/run.json", b"two")
    store.write("runs/b/attempts/1/attempt.json", b"three")
    assert store.read("runs/a/run.json") == b"two"
    assert store.read("runs/b/attempts/1/attempt.json", 1, 2) == b"hr"
    assert store.read("runs/a/run.json", 99) == b""
    assert list(store.list("runs")) == [("runs/a/run.json", 3), ("runs/b/attempts/1/attempt.json", 5)]
    assert store.children("runs") == ("a", "b")
    assert store.children() == ("runs",)
    assert store.size("runs/a/run.json") == 3
    assert store.exists("runs/a/run.json") and not store.exists("runs/a")
    store.delete("runs/a")
    store.delete("runs/a")
    assert store.children("runs") == ("b",)


def test_a_missing_key_is_not_found_and_an_empty_folder_lists_nothing(store: Store) -> None:
    for ask in (store.read, store.size):
        with pytest.raises(NotFound, match=r"runs/x/run.json is not in"):
            ask("runs/x/run.json")
    with pytest.raises(KeyError):
        store.read("runs/x/run.json")
    assert list(store.list("runs")) == [] and store.children("runs") == ()


def test_create_lets_exactly_one_of_many_be_first(store: Store) -> None:
    winners: list[bytes] = []
    start = threading.Barrier(8)

    def contend(name: bytes) -> None:
        start.wait()
        if store.create("runs/a/attempts/1/attempt.json", name):
            winners.append(name)

    threads = [threading.Thread(target=contend, args=(str(n).encode() * 1000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    assert store.read("runs/a/attempts/1/attempt.json") == winners[0]
    assert [entry.key for entry in store.list("runs")] == ["runs/a/attempts/1/attempt.json"]


def test_create_is_exclusive_where_the_file_system_has_no_hard_links(
    folder_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", refuse)
    assert folder_store.create("runs/a/run.json", b"one")
    assert not folder_store.create("runs/a/run.json", b"two")
    assert folder_store.read("runs/a/run.json") == b"one"


def test_files_go_up_and_down_whole(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(b"weights" * 1000)
    store.upload(source, "runs/a/outputs/model.bin")
    store.download("runs/a/outputs/model.bin", tmp_path / "deep" / "copy.bin")
    assert (tmp_path / "deep" / "copy.bin").read_bytes() == source.read_bytes()
    with pytest.raises(NotFound):
        store.download("runs/a/none", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert [p.name for p in tmp_path.rglob(".~*")] == []


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "runs/../../x"])
def test_a_key_does_not_lead_out_of_the_store(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="leads out of the store"):
        store.write(key, b"")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission denied")],
)
def test_a_refusing_disk_is_named_with_the_way_out(
    folder_store: Store, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files, "write_all", refuse)
    with pytest.raises(StoreError, match=words) as raised:
        folder_store.write("runs/a/run.json", b"{}")
    assert "runs/a/run.json" in str(raised.value) and "another store" in str(raised.value)
    assert list(Path(folder_store.url).rglob(".~*")) == []


def test_a_file_in_the_place_of_the_store_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="a file is where a folder is needed"):
        Store.open(str(tmp_path / "file")).write("runs/a/run.json", b"{}")


def test_folders_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Store.open("runs", base=tmp_path).url == str(tmp_path / "runs")
    assert Store.open("../runs", base=tmp_path / "stack").url == str(tmp_path / "runs")
    assert Store.open("~/runs").url == str(tmp_path / "home" / "runs")
    assert Store.open(f"file://{tmp_path}/a%20b").url == str(tmp_path / "a b")
    assert Store.open("file://./runs", base=tmp_path).url == str(tmp_path / "runs")
    assert Store.open("file://~/runs").url == str(tmp_path / "home" / "runs")
    assert not (tmp_path / "runs").exists(), "opening creates nothing"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is empty"),
        ("C:\\runs", "Windows path"),
        ("C:/runs", "Windows path"),
        ("file:///C:/runs", "Windows path"),
        ("\\\\server\\share", "Windows path"),
        ("file://server/share", "names the host 'server'"),
        ("nosuch://a/b", "Protocol not known"),
    ],
)
def test_what_cannot_be_a_store_is_refused(url: str, words: str) -> None:
    with pytest.raises(SpecError, match=r"store: .*" + words):
        Store.open(url)


def test_a_store_without_create_if_absent_is_refused_at_the_intent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    monkeypatch.setattr(
        fsspec.core, "url_to_fs", lambda url, **_: (fsspec.filesystem("memory"), "/elsewhere")
    )
    with pytest.raises(StoreError, match="sftp:// has no create-if-absent"):
        Store.open("sftp://host/runs").create("runs/a/run.json", b"{}")


def test_a_server_that_ignores_create_if_absent_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    class Careless(fsspec.implementations.memory.MemoryFileSystem):
        store: dict[str, object] = {}

        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
            super().pipe_file(path, value)

    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url, **_: (Careless(), "/bucket"))
    with pytest.raises(StoreError, match="ignores create-if-absent"):
        Store.open("s3://bucket").create("runs/a/run.json", b"{}")
    assert Careless.store == {}


def test_credentials_show_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    class Broken(fsspec.implementations.memory.MemoryFileSystem):
        def cat_file(self, path: str, **_: object) -> bytes:
            raise RuntimeError("connection to user:hunter22@host with sig=abcdef failed")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url, **_: (Broken(), "/bucket"))
    store = Store.open("s3://user:hunter22@host/bucket?sig=abcdef")
    with pytest.raises(TransientError) as raised:
        store.read("runs/a/run.json")
    for shown in (str(store), repr(store), store.display, str(raised.value)):
        assert "hunter22" not in shown and "abcdef" not in shown
    assert isinstance(store, ObjectStore)
