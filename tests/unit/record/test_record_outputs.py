"""Manifest, sync and sources: what a run leaves behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_training.identity import hashing
from pulumi_training.record import manifest as manifest_module
from pulumi_training.record import sources, sync
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.manifest import Manifest, build
from pulumi_training.record.record import Record
from pulumi_training.record.store import NotFound, Store, StoreError
from pulumi_training.spec.errors import PermanentError, SpecError, TransientError
from pulumi_training.spec.outcome import Reason


@pytest.fixture
def remote(request: pytest.FixtureRequest) -> Attempt:
    store = Store.open(f"memory://sync-{request.node.name}/x")
    attempt = Record(store, "fit-1").start_attempt(AttemptDocument("fit-1", 1))
    assert attempt
    return attempt


def write(folder: Path, **files: str) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def old(path: Path) -> None:
    """As if it was written a minute ago: young stamps are not believed."""
    os.utime(path, (path.stat().st_atime - 60, path.stat().st_mtime - 60))


def test_the_manifest_depends_on_content_alone(tmp_path: Path) -> None:
    write(tmp_path / "a", model="abc", deep__er="x")
    write(tmp_path / "b", deep__er="x", model="abc")
    old(tmp_path / "b" / "model")
    one, two = (build(tmp_path / n, cache=tmp_path / "c") for n in "ab")
    assert one == two and one.digest == two.digest and one.size == 4
    assert [entry.path for entry in one.entries] == ["deep/er", "model"]
    assert Manifest.from_json(one.to_json()) == one
    write(tmp_path / "b", model="abd")
    assert build(tmp_path / "b", cache=tmp_path / "c").digest != one.digest


def test_links_and_odd_files_are_handled(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    write(outputs, real="abc", folder__file="x")
    (outputs / "link").symlink_to("real")
    (outputs / "folder-link").symlink_to("folder")
    (outputs / "loop").symlink_to(".")
    (outputs / "broken").symlink_to("nowhere")
    os.mkfifo(outputs / "pipe")
    write(outputs, **{".~lock": "ours"})
    manifest = build(outputs, cache=tmp_path / "c")
    assert [e.path for e in manifest.entries] == ["folder/file", "link", "real"]
    assert manifest.skipped == {
        "broken": "is a link that leads nowhere",
        "folder-link": "is a link to a folder",
        "loop": "is a link to a folder",
        "pipe": "is a named pipe",
    }


def test_a_name_that_is_no_text_is_kept(tmp_path: Path, folder_store: Store) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    manifest = build(outputs, cache=tmp_path / "c")
    assert len(manifest.entries) == 1 and manifest.digest.startswith("sha256:")


def test_no_outputs_is_an_empty_manifest(tmp_path: Path) -> None:
    assert build(tmp_path / "none", cache=tmp_path / "c").entries == ()


def test_unchanged_outputs_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    outputs = tmp_path / "outputs"
    write(outputs, one="abc", two="def")
    time.sleep(0.1)  # the cache believes no stamp younger than that
    first = build(outputs, cache=tmp_path / "c")
    read: list[str] = []
    real = hashing.digest_file
    monkeypatch.setattr(hashing, "digest_file", lambda path, *how: read.append(path) or real(path, *how))
    assert build(outputs, cache=tmp_path / "c") == first and read == []
    write(outputs, two="xyz")
    assert build(outputs, cache=tmp_path / "c") != first
    assert [Path(path).name for path in read] == ["two"]


def test_an_output_that_keeps_changing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = tmp_path / "outputs"
    write(outputs, growing="x", still="y")
    real = hashing.digest_file

    def grow(path: str, *how: Callable[[str], int]) -> hashing.Digested:
        if path.endswith("growing"):
            with Path(path).open("a") as stream:
                stream.write("x")
        return real(path, *how)

    monkeypatch.setattr(hashing, "digest_file", grow)
    manifest = build(outputs, cache=tmp_path / "c")
    assert manifest.skipped == {"growing": "is still being written"}
    assert [e.path for e in manifest.entries] == ["growing", "still"]


def test_the_manifest_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_module, "_PART", 2)
    write(tmp_path / "outputs", a="1", b="2", c="3")
    lines: list[str] = []
    build(tmp_path / "outputs", cache=tmp_path / "c", progress=lines.append)
    assert lines == ["digested 2 of 3 outputs, 2 B of 3 B", "digested 3 of 3 outputs, 3 B of 3 B"]


def test_a_folder_store_needs_no_sync(folder_store: Store) -> None:
    attempt = Record(folder_store, "fit-1").start_attempt(AttemptDocument("fit-1", 1))
    assert attempt
    write(attempt.folder, outputs__model="abc")
    assert attempt.sync_all() == sync.SyncReport(0, 0)


def test_logs_go_often_and_outputs_at_the_end(remote: Attempt) -> None:
    write(
        remote.folder, **{"logs__std__rank-0.log": "hello\n", "ranks__0.json": "{}", "outputs__model": "abc"}
    )
    write(remote.folder, **{"attempt.json": "not mine", "launch.json": "{}"})
    assert remote.sync_logs().files == 3
    assert not remote.store.exists(f"{remote.prefix}/outputs/model")
    assert remote.sync_logs().files == 0, "nothing changed"
    write(remote.folder, **{"logs__std__rank-0.log": "hello\nagain\n"})
    report = remote.sync_all()
    assert (report.files, report.bytes) == (2, 15)
    assert remote.store.read(f"{remote.prefix}/logs/std/rank-0.log") == b"hello\nagain\n"
    assert remote.store.read(f"{remote.prefix}/outputs/model") == b"abc"
    assert remote.document().attempt == 1


def test_a_killed_sync_goes_on_where_it_was(remote: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    write(remote.folder, **{f"outputs__{n}": str(n) for n in range(6)})
    real, sent = remote.store.upload, []

    def upload(path: Path, key: str) -> None:
        if len(sent) == 3:
            raise KeyboardInterrupt
        sent.append(path.name)
        real(path, key)

    monkeypatch.setattr(sync, "_THREADS", 1)
    monkeypatch.setattr(remote.store, "upload", upload)
    with pytest.raises(KeyboardInterrupt):
        remote.sync_all()
    with (remote.folder / ".~sync.jsonl").open("ab") as journal:
        journal.write(b'["outputs/4", 1')  # cut in the middle of a line
    monkeypatch.setattr(remote.store, "upload", lambda path, key: (sent.append(path.name), real(path, key)))
    assert remote.sync_all().files == 3
    assert sorted(sent) == ["0", "1", "2", "3", "4", "5"]
    assert remote.sync_all().files == 0


def test_outputs_are_tried_again_and_then_collect_fails(
    remote: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(remote.folder, outputs__model="abc")
    tries: list[Path] = []

    def refuse(path: Path, key: str) -> None:
        tries.append(path)
        raise TransientError("503")

    monkeypatch.setattr(sync, "_pause", lambda seconds: None)
    monkeypatch.setattr(remote.store, "upload", refuse)
    with pytest.raises(PermanentError, match=r"The outputs stay in .*503") as raised:
        remote.sync_all()
    assert raised.value.reason is Reason.COLLECT_FAILED
    assert len(tries) == 5


def test_logs_have_one_try_and_come_with_the_next(remote: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    write(remote.folder, **{"logs__std__rank-0.log": "x"})
    real = remote.store.upload
    monkeypatch.setattr(
        remote.store, "upload", lambda path, key: (_ for _ in ()).throw(TransientError("503"))
    )
    with pytest.raises(TransientError):
        remote.sync_logs()
    monkeypatch.setattr(remote.store, "upload", real)
    assert remote.sync_logs().files == 1


def test_a_store_that_refuses_is_not_asked_five_times(
    remote: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(remote.folder, outputs__model="abc")
    tries: list[Path] = []

    def refuse(path: Path, key: str) -> None:
        tries.append(path)
        raise StoreError("no rights")

    monkeypatch.setattr(remote.store, "upload", refuse)
    with pytest.raises(PermanentError, match="no rights"):
        remote.sync_all()
    assert len(tries) == 1


def test_a_source_is_kept_once_and_comes_back(store: Store, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write(tree, **{"train.py": "print(1)", "pkg__a.py": "x"})
    digest = "sha256:" + "ab" * 32
    assert sources.keep(store, tree, digest)
    assert not sources.keep(store, tree, digest)
    assert [entry.key for entry in store.list("sources")] == [f"sources/{'ab' * 32}.tar.zst"]
    sources.fetch(store, digest, tmp_path / "back")
    assert (tmp_path / "back" / "pkg" / "a.py").read_text() == "x"
    with pytest.raises(NotFound):
        sources.fetch(store, "cd" * 32, tmp_path / "none")
    with pytest.raises(SpecError, match="is not a digest"):
        sources.key_of("../../etc/passwd")
