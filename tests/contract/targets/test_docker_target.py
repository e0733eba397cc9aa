"""What only containers can go through: lost nodes, lost networks, lost daemons, disks that are not shared."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import docker.types
import pytest
from daemon import base_image
from docker import DockerClient
from docker_place import DockerPlace
from places import Started, until

from pulumi_training.record.store import StoreError
from pulumi_training.spec.errors import PermanentError
from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets.containers import names
from pulumi_training.targets.containers.collect import rescue
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.docker import nodes
from pulumi_training.targets.docker.backend import BACKEND, MARK
from pulumi_training.targets.docker.filters import filters

pytestmark = [
    pytest.mark.docker,
    pytest.mark.mpi,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("place", ["docker"], indirect=True),
]

SLEEP = "import os, time\nprint('ready', flush=True)\ntime.sleep(120)\n"
ONE = {"nodeCount": 1, "processCountPerNode": 1, "distributedBackend": None}


def container(started: Started, node: int = 0) -> str:
    return names.object_name(started.run.run_id, started.run.attempt, node, store=started.run.store)


def kill_in(place: DockerPlace, started: Started, node: int, words: str) -> None:
    """SIGKILL to the processes of a node whose command line or name has these words."""
    script = (
        "import os, signal, sys\n"
        "for pid in (p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())):\n"
        "    line = open(f'/proc/{pid}/cmdline', 'rb').read().replace(b'\\0', b' ').decode()\n"
        "    line += open(f'/proc/{pid}/comm').read()\n"
        f"    if {words!r} in line:\n"
        "        os.kill(int(pid), signal.SIGKILL)\n"
        "        break\n"
        "else:\n    sys.exit('nobody to kill')\n"
    )
    made = place.client.api.exec_create(container(started, node), ["python3", "-c", script])
    words = place.client.api.exec_start(made["Id"]).decode()
    assert place.client.api.exec_inspect(made["Id"])["ExitCode"] == 0, words


def test_a_read_that_breaks_off_leaves_its_container_readable(place: DockerPlace) -> None:
    """The daemon locks a container while an archive of it is read; an error that is kept must not keep the archive."""
    made = place.client.api.create_container(base_image(), ["true"])["Id"]

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    impatient = DockerClient(os.environ["DOCKER_HOST"], timeout=20)
    try:
        with BACKEND.talking({"docker_host": os.environ["DOCKER_HOST"]}) as transport:
            with pytest.raises(StoreError, match="disk is full") as kept:
                transport.take_files(made, "/usr", refuse)
            pieces, _ = impatient.api.get_archive(made, "/etc/hostname")
            assert b"".join(pieces)
            assert kept.value.__cause__ is not None
    finally:
        place.client.api.remove_container(made, force=True)
        impatient.close()


def test_a_killed_rank_is_named_with_its_signal(place: DockerPlace) -> None:
    started = place.start(SLEEP).until_printed("ready", 4)
    kill_in(place, started, 1, "-u train.py")
    outcome = started.outcome()
    assert (outcome.reason, outcome.node, outcome.signal) == (Reason.RANK_SIGNALED, 1, "SIGKILL")
    started.until_gone()


@pytest.mark.parametrize("node", [0, 1])
def test_a_killed_container_is_a_lost_node_and_soon_known(place: DockerPlace, node: int) -> None:
    started = place.start(SLEEP).until_printed("ready", 4)
    began = time.monotonic()
    place.kill_node(started, node)
    outcome = started.outcome()
    seconds = time.monotonic() - began
    assert (outcome.reason, outcome.node) == (Reason.NODE_LOST, node)
    assert container(started, node) in outcome.message and "137" in outcome.message
    assert seconds < 20, "3 s on a quiet machine"
    print(f"lost node {node} known after {seconds:.2f} s")
    started.until_gone()


def test_removed_containers_are_lost_nodes(place: DockerPlace) -> None:
    started = place.start(SLEEP).until_printed("ready", 4)
    for node in (1, 0):
        place.client.api.remove_container(container(started, node), force=True)
    outcome = started.outcome()
    assert outcome.reason is Reason.NODE_LOST and "gone" in outcome.message
    with pytest.raises(PermanentError) as failure:
        started.collect()
    assert failure.value.reason is Reason.COLLECT_FAILED


def test_a_killed_agent_takes_the_run_with_it(place: DockerPlace) -> None:
    started = place.start(SLEEP).until_printed("ready", 4)
    kill_in(place, started, 0, "agent launch")
    assert started.outcome().reason is Reason.SUPERVISOR_LOST
    assert place.left(started) == []
    assert b"ready" in (started.collect() / "logs" / "std" / "rank-3.log").read_bytes()


def test_a_killed_launcher_ends_the_run(place: DockerPlace) -> None:
    started = place.start(SLEEP).until_printed("ready", 4)
    kill_in(place, started, 0, "prterun")
    assert started.outcome().reason is Reason.LAUNCH_FAILED
    started.until_gone()


@pytest.mark.slow
@pytest.mark.parametrize(("package", "flavour"), [("mpich", "mpich"), ("impi-rt", "intel")])
def test_the_line_fits_the_mpi_of_the_image(place: DockerPlace, package: str, flavour: str) -> None:
    environment = {**place.environment(), "pipPackages": [package, "mpi4py"]}
    started = place.start(
        "from mpi4py import MPI\nc = MPI.COMM_WORLD\nprint('sum', c.allreduce(c.rank), MPI.Get_processor_name())\n",
        environment=environment,
        distributedBackend="mpi",
    )
    assert started.plan.request["launch"]["flavour"] == flavour
    assert started.outcome().reason is Reason.COMPLETED, started.outcome()
    assert started.log(0) == b"sum 6 node-0\n" and started.log(3) == b"sum 6 node-1\n"


def test_a_node_without_network_is_lost(place: DockerPlace) -> None:
    started = place.start(SLEEP).until_printed("ready", 4)
    network = names.object_name(started.run.run_id, started.run.attempt, store=started.run.store)
    place.client.api.disconnect_container_from_network(container(started, 1), network, force=True)
    outcome = started.outcome()
    assert (outcome.reason, outcome.node) == (Reason.NODE_LOST, 1)
    started.until_gone()


def test_the_stall_limit_catches_a_cut_network(place: DockerPlace) -> None:
    started = place.start(SLEEP, stallTimeoutSeconds=6, gracePeriodSeconds=0).until_printed("ready", 4)
    network = names.object_name(started.run.run_id, started.run.attempt, store=started.run.store)
    place.client.api.disconnect_container_from_network(container(started, 1), network, force=True)
    assert started.outcome().reason is Reason.STALLED


def test_nodes_write_the_same_files(place: DockerPlace) -> None:
    started = place.start(
        "import os\nnode = os.environ['NODE_RANK']\nos.makedirs('outputs/deep', exist_ok=True)\n"
        "open('outputs/deep/same', 'w').write('same')\nopen('outputs/other', 'w').write(node)\n"
        "open(f'outputs/only-{node}', 'w').write(node)\nopen('logs/own.log', 'w').write(node)\n"
    )
    assert started.ended().status is Status.COMPLETED
    told: list[str] = []
    place.target.collect(started.compute, started.handle, started.run, told.append)
    outputs = started.run.folder / "outputs"
    assert sorted(str(p.relative_to(outputs)) for p in outputs.rglob("*") if p.is_file()) == [
        ".node-1/other", "deep/same", "only-0", "only-1", "other",
    ]  # fmt: skip
    assert (outputs / "other").read_text() == "0" and (outputs / ".node-1" / "other").read_text() == "1"
    assert (started.run.folder / "logs" / ".node-1" / "own.log").read_text() == "1"
    assert any("outputs/other" in line and "node 1" in line for line in told if line.startswith("warning"))


def test_nodes_write_other_kinds_of_things_under_one_name(place: DockerPlace) -> None:
    """The run completes, everything is kept, and it is done again as after a kill: `up` and `destroy` get through."""
    started = place.start(
        "import os\nnode = os.environ['NODE_RANK']\nrank = os.environ['LOCAL_RANK']\n"
        "if rank == '0':\n"
        "    os.makedirs('outputs/.node-1' if node == '0' else 'outputs/ckpt')\n"
        "    if node == '0':\n"
        "        open('outputs/ckpt', 'w').write('a file')\n"
        "        open('outputs/.node-1/own', 'w').write('own')\n"
        "        os.makedirs('outputs/back/deep')\n"
        "        open('outputs/back/deep/x', 'w').write('x of 0')\n"
        "        os.symlink('back', 'outputs/latest')\n"
        "        os.makedirs('logs/tb')\n"
        "        open('logs/tb/own.log', 'w').write('log of 0')\n"
        "    else:\n"
        "        open('outputs/ckpt/model', 'w').write('a folder')\n"
        "        open('outputs/back', 'w').write('back of 1')\n"
        "        os.makedirs('outputs/latest')\n"
        "        open('outputs/latest/deep', 'w').write('latest of 1')\n"
        "        open('logs/tb', 'w').write('tb of 1')\n"
        "        os.mkfifo('outputs/pipe')\n"
    )
    assert started.ended().status is Status.COMPLETED
    told: list[str] = []
    mark = MARK.read(started.run.folder)
    with BACKEND.talking(started.handle.settings) as transport:
        rescue(BACKEND, transport, started.handle, mark)
    MARK.write(started.run.folder, mark)  # as whoever was killed before it said that all is here
    place.target.collect(started.compute, started.handle, started.run, told.append)
    folder = started.run.folder
    kept = {
        str(path.relative_to(folder)): path.read_text()
        for part in ("outputs", "logs/tb", "logs/.node-1")
        for path in sorted([folder / part, *(folder / part).rglob("*")])
        if path.is_file() and not path.is_symlink() and not any(p.is_symlink() for p in path.parents)
    }
    assert kept == {
        "outputs/ckpt": "a file",
        "outputs/.node-1/own": "own",
        "outputs/back/deep/x": "x of 0",
        "outputs/.node-1.1/ckpt/model": "a folder",
        "outputs/.node-1.1/back": "back of 1",
        "outputs/.node-1.1/latest/deep": "latest of 1",
        "logs/tb/own.log": "log of 0",
        "logs/.node-1/tb": "tb of 1",
    }
    assert os.readlink(folder / "outputs" / "latest") == "back"
    warnings = "\n".join(line for line in told if line.startswith("warning"))
    assert all(name in warnings for name in ("outputs/ckpt", "outputs/.node-1.1", "outputs/pipe is a pipe"))
    assert place.objects(started) == []


def test_an_image_may_go_and_the_record_stays(place: DockerPlace) -> None:
    started = place.start("open('outputs/kept', 'w').write('x')\n", **ONE)
    assert started.ended().status is Status.COMPLETED
    started.collect()
    assert place.objects(started) == [], "nothing stays at the daemon"
    assert started.observe().status is Status.COMPLETED
    place.target.remove(started.compute, started.handle)
    assert (started.run.folder / "outputs" / "kept").read_text() == "x"


def test_no_secret_is_in_what_the_daemon_tells(place: DockerPlace) -> None:
    started = place.start(
        "import os, time\nassert os.environ['TOKEN'] == 'very-secret-token'\n" + SLEEP,
        secretEnvironmentVariables={"TOKEN": "very-secret-token"},
    ).until_printed("ready", 4)
    told = json.dumps([place.client.api.inspect_container(container(started, node)) for node in (0, 1)])
    told += json.dumps(place.client.api.inspect_volume(container(started)))
    made = place.client.api.exec_create(container(started), ["cat", "/training/secret"])
    secret = place.client.api.exec_start(made["Id"]).decode().strip()
    assert len(secret) == 64 and secret not in told and "very-secret-token" not in told


def test_data_is_copied_in_or_mounted(place: DockerPlace) -> None:
    data = place.root / "data"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "numbers").write_text("1 2 3")
    volume = place.client.volumes.create(f"lent-{time.time_ns()}")
    try:
        started = place.start(
            "import os\n"
            "for name in ('HERE', 'FAR'):\n"
            "    assert open(os.environ['TRAINING_DATA_' + name] + '/deep/numbers').read() == '1 2 3'\n"
            "assert os.path.realpath('data/here') == os.environ['TRAINING_DATA_HERE']\n"
            "try:\n    open(os.environ['TRAINING_DATA_LENT'] + '/x', 'w')\n"
            "except OSError as error:\n    print('read-only:', error)\n"
            "open(os.environ['TRAINING_DATA_KEPT'] + '/' + os.environ['RANK'], 'w').write('kept')\n",
            inputs={
                "here": {"uri": str(data), "pathOnCompute": "data/here"},
                "far": {"uri": data.as_uri(), "mode": "download"},
                "lent": {"uri": f"volume://{volume.name}", "pathOnCompute": "data/lent"},
            },
            outputs={"kept": {"uri": f"volume://{volume.name}", "mode": "mount"}},
        )
        assert started.outcome().reason is Reason.COMPLETED, started.log()
        assert b"read-only" in started.log()
        started.collect()
        image = started.plan.request["image"]
        mount = docker.types.Mount("/lent", volume.name)
        listed = place.client.containers.run(
            image, ["ls", "/lent"], mounts=[mount], remove=True, entrypoint=[]
        )
        assert listed.decode().split() == ["0", "1", "2", "3"]
    finally:
        volume.remove(force=True)


TEXTS = {
    "user": "1234:1234", "memory": "512m", "cpus": "1.5", "shmSize": "64m", "ulimits": "nofile=1000:2000"
}  # fmt: skip
TYPED = {**TEXTS, "cpus": 1.5, "ulimits": [{"name": "nofile", "soft": 1000, "hard": 2000}]}


@pytest.mark.parametrize("more", [{"settings": TEXTS}, {"docker": TYPED}], ids=["texts", "typed"])
def test_another_user_and_limits(place: DockerPlace, more: dict[str, Any]) -> None:
    started = place.start(
        "import os, resource\nprint(os.getuid(), resource.getrlimit(resource.RLIMIT_NOFILE))\n"
        "open('outputs/mine', 'w').write('x')\n",
        compute={**place.compute(), **more},
    )
    assert started.outcome().reason is Reason.COMPLETED, started.log()
    assert b"1234 (1000, 2000)" in started.log(3)
    host = place.client.api.inspect_container(container(started))["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["ShmSize"]) == (512 << 20, 1_500_000_000, 64 << 20)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 1000, "Hard": 2000}]
    assert (started.collect() / "outputs" / "mine").read_text() == "x"


def test_too_little_memory_is_said(place: DockerPlace) -> None:
    started = place.start(
        "x = []\nwhile True:\n    x.append(bytearray(1 << 24))\n",
        compute={**place.compute(), "settings": {"memory": "64m"}},
        **ONE,
    )
    assert started.outcome().reason is Reason.OUT_OF_MEMORY


def test_what_a_crash_left_half_made_is_made_anew(place: DockerPlace) -> None:
    run = place.run("print('second life')\n")
    plan = place.plan(run)
    until(lambda: place.target.enter(plan, run) is None, "slots")
    nodes.create(place.client, plan, run, ())
    started = place.submit(plan, run)
    assert started.outcome().reason is Reason.COMPLETED and b"second life" in started.log(3)


def test_a_name_that_somebody_else_has_is_not_taken(place: DockerPlace) -> None:
    run = place.run("pass", **ONE)
    plan = place.plan(run)
    until(lambda: place.target.enter(plan, run) is None, "slots")
    name = names.object_name(run.run_id, 1, 0, store=run.store)
    other = place.client.containers.create(plan.request["image"], ["true"], name=name)
    try:
        with pytest.raises(PermanentError, match=name):
            place.submit(plan, run)
        other.reload()
    finally:
        other.remove(force=True)
        nodes.remove(place.client, Handle.of("docker", run))
        place.target.leave(run)


def test_a_volume_that_somebody_else_has_is_not_written_to(place: DockerPlace) -> None:
    run = place.run("pass", **ONE)
    plan = place.plan(run)
    until(lambda: place.target.enter(plan, run) is None, "slots")
    other = place.client.volumes.create(names.object_name(run.run_id, 1, 0, store=run.store))
    try:
        with pytest.raises(PermanentError, match="belongs to somebody else"):
            place.submit(plan, run)
        nodes.remove(place.client, Handle.of("docker", run))
        mount = docker.types.Mount("/theirs", other.name)
        listed = place.client.containers.run(
            plan.request["image"], ["ls", "/theirs"], mounts=[mount], remove=True, entrypoint=[]
        )
        assert listed == b"agent\n", "the place where the agent's own memory was, and nothing in it"
    finally:
        other.remove(force=True)
        place.target.leave(run)


def test_every_node_asks_the_daemon_for_gpus_of_its_own(place: DockerPlace) -> None:
    """As far as a machine without GPUs can tell: what the daemon has understood of the requests."""
    job = {"compute": place.compute(nodes=2, slots=2, gpus=2), "useGpu": True}
    run = place.run("pass", **job)
    plan = place.plan(run)
    assert plan.gpus == 4
    try:
        made = nodes.create(place.client, plan, run, (0, 1, 2, 3))
        asked = [place.client.api.inspect_container(one)["HostConfig"]["DeviceRequests"] for one in made]
    finally:
        nodes.remove(place.client, Handle.of("docker", run))
    assert [[(r["Driver"], r["DeviceIDs"], r["Capabilities"]) for r in requests] for requests in asked] == [
        [("nvidia", ["0", "1"], [["gpu"]])],
        [("nvidia", ["2", "3"], [["gpu"]])],
    ]


def test_missing_gpus_are_refused_before_anything_starts(place: DockerPlace) -> None:
    compute = place.compute(gpus=1)
    run = place.run("pass", compute={**compute, "gpusPerNode": 2}, useGpu=True)
    plan = place.plan(run)
    until(lambda: place.target.enter(plan, run) is None, "slots")
    with pytest.raises(PermanentError, match="4 GPUs"):
        place.target.submit(plan, run)
    place.target.leave(run)
    assert place.client.api.containers(all=True, filters=filters(run.run_id, 1)) == []


def test_a_log_cut_in_the_middle_is_whole_at_the_end(place: DockerPlace) -> None:
    started = place.start("for n in range(300000):\n    print('line', n)\n", **ONE)
    until(lambda: started.log(), "a first piece")
    from pulumi_training.targets.containers.observe import let_go

    let_go(started.handle.folder)
    assert started.ended().status is Status.COMPLETED
    log: Path = started.run.folder / "logs" / "std" / "rank-0.log"
    assert log.read_text().splitlines() == [f"line {n}" for n in range(300000)]
