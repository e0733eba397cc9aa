"""What a script's links are worth: what they lead to in the run is kept, and nothing of the machine that collects."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from places import Place, Started, real_places

from pulumi_training.client.download import download, wanted
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.logs import read_log, tail
from pulumi_training.record.manifest import Manifest
from pulumi_training.record.metrics import read_metrics
from pulumi_training.record.store import Store
from pulumi_training.spec.outcome import Status

pytestmark = [pytest.mark.timeout(300)]
real = pytest.mark.parametrize("place", real_places(), indirect=True)

ONE = {"nodeCount": 1, "processCountPerNode": 1, "distributedBackend": None}
TOKEN = "of-this-machine-only-4711"
PROBE = """
import os, socket

os.makedirs("scratch/deep")
open("scratch/m", "w").write("worked")
open("scratch/deep/x", "w").write("deep")
os.symlink("../x", "scratch/deep/up")
os.symlink("../scratch/m", "outputs/m")
os.symlink(os.path.abspath("scratch/deep"), "outputs/deep")
open("outputs/real", "w").write("real")
os.symlink(os.path.abspath("outputs/real"), "outputs/latest")
os.symlink("real", "outputs/beside")
os.makedirs("outputs/step")
open("outputs/step/x", "w").write("step")
os.symlink("step", "outputs/last-step")
os.link("outputs/real", "outputs/twin")
os.symlink("SECRET", "outputs/secret")
os.symlink("SECRET", "logs/secret")
os.symlink(os.path.dirname("SECRET"), "outputs/folder")
os.symlink("/proc/self/environ", "outputs/environ")
os.symlink("loop", "outputs/loop")
os.symlink("nothing", "outputs/dangling")
os.mkfifo("outputs/pipe")
os.mkfifo("logs/pipe.tfevents")
socket.socket(socket.AF_UNIX).bind("outputs/socket")
with open("outputs/sparse", "wb") as file:
    file.truncate(1 << 30)
    file.seek(512 << 20)
    file.write(b"middle")
open(b"outputs/caf\\xe9", "w").write("name")
log = "logs/std/rank-0.log"
os.unlink(log)
os.symlink("SECRET", log)
metrics = os.environ["TRAINING_METRICS"]
if os.path.lexists(metrics):
    os.unlink(metrics)
os.symlink("SECRET", metrics)
"""


def attempt_of(started: Started) -> Attempt:
    return Attempt(Store.open(str(started.place.root / "store")), started.run.run_id, started.run.attempt)


def collected(place: Place, script: str, **job: Any) -> tuple[Started, Manifest, list[str]]:
    """A run that ended well and was collected, its manifest, and what was told meanwhile."""
    started = place.start(script, **{**ONE, **job})
    seen = started.ended()
    assert seen.status is Status.COMPLETED, tail(attempt_of(started), 0)
    told: list[str] = []
    place.target.collect(started.compute, started.handle, started.run, told.append)
    return started, attempt_of(started).write_manifest(), told


def contents(folder: Path) -> dict[str, bytes]:
    """Every small file below a folder; no link is followed."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base, name)
            state = path.lstat()
            if stat.S_ISREG(state.st_mode) and state.st_size < 1 << 20:
                found[str(path.relative_to(folder))] = path.read_bytes()
    return found


@real
def test_a_link_brings_what_is_the_runs_own_and_nothing_of_this_machine(place: Place, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    (aside / "secret").write_text(f'{{"loss": 4711, "words": "{TOKEN}"}}\n')
    started, manifest, _ = collected(place, PROBE.replace("SECRET", str(aside / "secret")))
    attempt = attempt_of(started)

    report = download(attempt, wanted(attempt, logs=True), tmp_path / "to")
    assert report.verified == len(manifest.entries)
    there = contents(tmp_path / "to" / "outputs")
    assert there["m"] == b"worked"
    assert there["deep/x"] == b"deep"
    assert there["real"] == there["latest"] == there["beside"] == there["twin"] == b"real"
    assert there["step/x"] == b"step"
    assert there[os.fsdecode(b"caf\xe9")] == b"name"

    for place_of_bytes in (started.run.folder, tmp_path / "to"):
        leaks = [name for name, data in contents(place_of_bytes).items() if TOKEN.encode() in data]
        assert leaks == []
    assert TOKEN.encode() not in read_log(attempt, 0)[0]
    assert read_metrics(attempt).last_values() == {}
    for name in ("secret", "folder", "environ", "loop", "dangling", "pipe"):
        assert manifest.skipped[name], name
        assert name not in {entry.path for entry in manifest.entries}
    assert str(aside / "secret") in manifest.skipped["secret"]
    assert "named pipe" in manifest.skipped["pipe"]
    assert manifest.skipped["../logs/secret"]
    assert "was not kept" in manifest.warning


@real
def test_a_sparse_gib_takes_no_room_anywhere(place: Place, tmp_path: Path) -> None:
    script = (
        "with open('outputs/sparse', 'wb') as file:\n"
        "    file.truncate(1 << 30)\n"
        "    file.seek(512 << 20)\n"
        "    file.write(b'middle')\n"
        "with open('logs/sparse', 'wb') as file:\n"
        "    file.truncate(256 << 20)\n"
    )
    started, manifest, _ = collected(place, script)
    attempt = attempt_of(started)
    download(attempt, wanted(attempt, logs=True), tmp_path / "to")

    assert [(entry.path, entry.size) for entry in manifest.entries] == [("sparse", 1 << 30)]
    for folder in (started.run.folder, tmp_path / "to"):
        for name, size in (("outputs/sparse", 1 << 30), ("logs/sparse", 256 << 20)):
            state = (folder / name).stat()
            assert state.st_size == size
            assert state.st_blocks * 512 < 4 << 20, f"{folder / name} takes {state.st_blocks * 512} bytes"


@real
def test_a_folder_put_in_the_place_of_outputs_is_kept(place: Place) -> None:
    script = (
        "import os, shutil\n"
        "open('outputs/early', 'w').write('early')\n"
        "os.unlink('outputs')\n"
        "os.mkdir('outputs')\n"
        "open('outputs/model', 'w').write('model')\n"
    )
    started, manifest, _ = collected(place, script)

    assert {entry.path for entry in manifest.entries} == {"early", "model"}
    assert (started.run.folder / "outputs" / "model").read_text() == "model"


@real
def test_a_named_output_delivers_nothing_of_this_machine(place: Place, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    (aside / "secret").write_text(TOKEN)
    script = (
        "import os\n"
        "out = os.environ['TRAINING_DATA_OUT']\n"
        "open('scratch', 'w').write('worked')\n"
        "os.symlink(os.path.abspath('scratch'), out + '/own')\n"
        f"os.symlink('{aside}/secret', out + '/secret')\n"
        f"os.symlink('{aside}', out + '/folder')\n"
        "os.mkfifo(out + '/pipe')\n"
        "open(out + '/plain', 'w').write('plain')\n"
    )
    goal = tmp_path / "goal"
    _, _, told = collected(place, script, outputs={"out": {"uri": str(goal), "mode": "upload"}})

    assert contents(goal) == {"own": b"worked", "plain": b"plain"}
    assert any(line.startswith("warning: ") and "secret" in line for line in told)


@real
def test_what_a_file_of_facts_was_replaced_by_is_not_read(place: Place, tmp_path: Path) -> None:
    facts = tmp_path / "facts"
    facts.write_text('{"rank": 0, "node": 0, "state": "exited", "success": true, "host": "' + TOKEN + '"}')
    script = (
        "import os, time\n"
        "time.sleep(0.5)\n"
        "os.makedirs('../ranks', exist_ok=True)\n"
        f"os.symlink('{facts}', '../ranks/7.json')\n"
        "os.mkfifo('../ranks/8.json')\n"
        f"os.symlink('{facts}', '../launch/links-9.json')\n"
    )
    started, _, _ = collected(place, script)

    assert all(TOKEN not in rank.host for rank in started.observe().ranks)
    assert TOKEN.encode() not in b"".join(contents(started.run.folder).values())


@pytest.mark.docker
@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.parametrize("nodes", [1, 2])
def test_what_is_only_in_a_containers_memory_is_kept_before_it_ends(place: Place, nodes: int) -> None:
    script = (
        "import os\n"
        "rank = os.environ['RANK']\n"
        "os.makedirs('/tmp/big')\n"
        "with open('/tmp/big/model.bin', 'wb') as file:\n"
        "    file.truncate(64 << 20)\n"
        "    file.seek(5 << 20)\n"
        "    file.write(b'weights ' + rank.encode())\n"
        "os.symlink('/tmp/big/model.bin', f'outputs/model-{rank}.bin')\n"
        "os.symlink('/tmp/big', f'outputs/big-{rank}')\n"
        "os.symlink('/etc/os-release', f'outputs/release-{rank}')\n"
        "os.symlink('/etc/hostname', f'outputs/hostname-{rank}')\n"
        "os.symlink('/training/secret', f'outputs/secret-{rank}')\n"
        "os.symlink('/proc/self/environ', f'outputs/environ-{rank}')\n"
        "os.symlink('/dev/null', f'outputs/null-{rank}')\n"
        "os.symlink('/', f'outputs/root-{rank}')\n"
    )
    job = ONE if nodes == 1 else {"nodeCount": 2, "processCountPerNode": 1, "distributedBackend": "gloo"}
    started, manifest, _ = collected(place, script, **job)

    for rank in range(nodes):
        for name in (f"model-{rank}.bin", f"big-{rank}/model.bin"):
            path = started.run.folder / "outputs" / name
            with path.open("rb") as stream:
                stream.seek(5 << 20)
                assert stream.read(9) == b"weights " + str(rank).encode()
            assert path.stat().st_blocks * 512 < 4 << 20
        assert b"NAME" in (started.run.folder / "outputs" / f"release-{rank}").read_bytes()
        for name in ("hostname", "secret", "environ", "null", "root"):
            assert manifest.skipped[f"{name}-{rank}"]


@pytest.mark.docker
@pytest.mark.parametrize("place", ["docker"], indirect=True)
def test_what_outputs_of_a_canceled_run_link_to_is_kept(place: Place) -> None:
    script = (
        "import os, time\n"
        "open('/tmp/model', 'w').write('weights')\n"
        "os.symlink('/tmp/model', 'outputs/model')\n"
        "print('ready', flush=True)\n"
        "time.sleep(120)\n"
    )
    started = place.start(script, **ONE).until_printed("ready")
    place.target.cancel(started.compute, started.handle, 5.0)
    started.ended()
    started.collect()

    assert (started.run.folder / "outputs" / "model").read_text() == "weights"


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_a_link_to_this_machine_is_said_and_not_kept_on_this_machine(place: Place, tmp_path: Path) -> None:
    big = tmp_path / "big" / "model.bin"
    big.parent.mkdir()
    big.write_text(TOKEN)
    server = socket.socket(socket.AF_UNIX)
    server.close()
    _, manifest, _ = collected(place, f"import os\nos.symlink('{big}', 'outputs/model.bin')\n")

    assert manifest.entries == ()
    assert str(big) in manifest.skipped["model.bin"] and "outside" in manifest.skipped["model.bin"]
    assert "model.bin" in manifest.warning


@pytest.mark.docker
@pytest.mark.parametrize("place", ["docker"], indirect=True)
def test_a_killed_container_gives_what_its_outputs_link_to(place: Place, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(TOKEN)
    script = (
        "import os, time\n"
        "os.makedirs('scratch/deep')\n"
        "open('scratch/m', 'w').write('worked')\n"
        "open('scratch/deep/x', 'w').write('deep')\n"
        "os.symlink('x', 'scratch/deep/again')\n"
        "os.symlink('/opt/chain', 'scratch/deep/far')\n"
        "open('/opt/far', 'w').write('far')\n"
        "os.symlink('far', '/opt/chain')\n"
        "os.symlink('../code/scratch/m', 'outputs/m')\n"
        "os.symlink('/opt/chain', 'outputs/chain')\n"
        "os.symlink('../code/scratch/deep', 'outputs/deep')\n"
        f"os.symlink('{tmp_path}/secret', 'outputs/secret')\n"
        "os.symlink('/training/secret', 'outputs/run-secret')\n"
        "os.symlink('/', 'outputs/root')\n"
        "os.symlink('/proc/1/environ', 'outputs/environ')\n"
        "print('ready', flush=True)\n"
        "time.sleep(120)\n"
    )
    started = place.start(script, **ONE).until_printed("ready")
    place.kill_node(started, 0)
    started.ended()
    started.collect()
    manifest = attempt_of(started).write_manifest()

    outputs = started.run.folder / "outputs"
    assert contents(outputs) == {"m": b"worked", "chain": b"far", "deep/x": b"deep", "deep/far": b"far"}
    assert (outputs / "deep" / "again").read_text() == "deep"
    assert set(manifest.skipped) == {"secret", "run-secret", "root", "environ"}
    assert TOKEN.encode() not in b"".join(contents(started.run.folder).values())
