"""What `targets.containers` does over a transport that is no Docker daemon's, and of whose ended nodes nothing can be read."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from namespaces.machine import Node
from namespaces.transport import NamespaceTransport
from namespaces_place import NamespacePlace
from places import Started, until

from pulumi_training.spec.errors import PermanentError, TransientError
from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets.containers.node_layout import FOLDER
from pulumi_training.targets.containers.transport import NodeEnded, Take

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.timeout(180),
    pytest.mark.parametrize("place", ["namespaces"], indirect=True),
]

ONE = {"nodeCount": 1, "processCountPerNode": 1, "distributedBackend": None}
WRITES = (
    "import os, time\n"
    "node = os.environ['NODE_RANK']\n"
    "open(f'outputs/of-{node}', 'w').write(node)\n"
    "open('outputs/both', 'w').write(node)\n"
    "print('ready', flush=True)\n"
)
SLEEPS = f"{WRITES}time.sleep(120)\n"


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where pods are: of a node that has ended no file can be read."""
    monkeypatch.setattr(NamespaceTransport, "reads_ended", False)
    yield


def written(started: Started) -> dict[str, str]:
    outputs = started.run.folder / "outputs"
    return {str(p.relative_to(outputs)): p.read_text() for p in outputs.rglob("*") if p.is_file()}


def node_of(place: NamespacePlace, started: Started, node: int) -> str:
    return place.transport.states(started.handle)[node].id


def test_verbs_of_a_node_that_has_ended_say_so(place: NamespacePlace, unreadable: None) -> None:
    started = place.start(SLEEPS, **ONE).until_printed("ready")
    node = node_of(place, started, 0)
    assert place.transport.read_file(node, f"{FOLDER}/nothing") is None, "no such file is an answer"
    place.kill_node(started, 0)
    for ask in (
        lambda: place.transport.run(node, ["true"]),
        lambda: place.transport.exec_stream(node, ["true"]),
        lambda: place.transport.read_file(node, f"{FOLDER}/launch/launch.json"),
        lambda: place.transport.put_files(node, lambda into: into.file("/x", b""), into=FOLDER),
    ):
        with pytest.raises(NodeEnded):
            ask()
    assert place.transport.peek(node, f"{FOLDER}/launch/launch.json") is None


def test_what_two_nodes_wrote_is_merged(place: NamespacePlace, unreadable: None) -> None:
    started = place.start(WRITES)
    assert started.ended().status is Status.COMPLETED
    assert len(place.left(started)) == 2, "their agents stay until everything is brought"
    started.collect()
    assert written(started) == {"of-0": "0", "of-1": "1", "both": "0", ".node-1/both": "1"}
    assert place.transport.states(started.handle) == {}


def test_a_collection_that_broke_off_goes_on(place: NamespacePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    started = place.start(WRITES)
    started.ended()
    whole, asked = NamespaceTransport.take_files, []

    def breaks(self: NamespaceTransport, node: str, path: str, take: Take) -> bool:
        asked.append(path)
        if len(asked) > 6:  # in the middle of node 1
            raise TransientError("nobody answers")
        return whole(self, node, path, take)

    with monkeypatch.context() as broken:
        broken.setattr(NamespaceTransport, "take_files", breaks)
        with pytest.raises(TransientError):
            started.collect()
    assert place.transport.states(started.handle), "nothing is removed before everything is here"
    started.collect()
    assert written(started) == {"of-0": "0", "of-1": "1", "both": "0", ".node-1/both": "1"}


def test_a_canceled_run_keeps_what_it_wrote(place: NamespacePlace, unreadable: None) -> None:
    started = place.start(
        f"import signal, sys\n{WRITES}"
        "def save(*_):\n    open('outputs/saved-' + os.environ['RANK'], 'w').write('x')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\ntime.sleep(120)\n"
    ).until_printed("ready", 4)
    place.target.cancel(started.compute, started.handle, 20.0)
    assert started.outcome().reason is Reason.CANCELED
    started.collect()
    assert {f"saved-{rank}" for rank in range(4)} <= set(written(started))
    assert place.left(started) == []


def test_a_lost_node_is_told_and_the_others_files_come(place: NamespacePlace, unreadable: None) -> None:
    started = place.start(SLEEPS).until_printed("ready", 4)
    place.kill_node(started, 1)
    outcome = started.outcome()
    assert (outcome.reason, outcome.node) == (Reason.NODE_LOST, 1) and "node" in outcome.message
    for _ in range(2):  # as often as it is tried again
        with pytest.raises(PermanentError, match="out of reach") as failure:
            started.collect()
        assert failure.value.reason is Reason.COLLECT_FAILED
    assert written(started) == {"of-0": "0", "both": "0"}
    assert b"ready" in (started.run.folder / "logs" / "std" / "rank-3.log").read_bytes()


def test_what_lives_without_its_agent_is_brought_before_it_is_ended(
    place: NamespacePlace, unreadable: None
) -> None:
    started = place.start(SLEEPS).until_printed("ready", 4)
    first = Node.running[Path(node_of(place, started, 0))].first
    agents = [p for p in psutil.Process(first).children() if p.name() == "agent launch"]
    os.kill(agents[0].pid, signal.SIGKILL)
    assert started.outcome().reason is Reason.SUPERVISOR_LOST
    assert place.left(started) == [], "no rank of it lives on"
    started.collect()
    assert written(started) == {"of-0": "0", "of-1": "1", "both": "0", ".node-1/both": "1"}


def test_another_machine_cancels_and_whoever_has_the_folder_collects(
    place: NamespacePlace, unreadable: None, tmp_path: Path
) -> None:
    started = place.start(SLEEPS).until_printed("ready", 4)
    elsewhere = replace(started.handle, folder=str(tmp_path / "elsewhere"), began_in=started.handle.folder)
    place.target.cancel(started.compute, elsewhere, 0.0)
    assert until(lambda: started.ended(), "its end").status is Status.FAILED
    assert started.outcome().reason is Reason.CANCELED
    started.collect()
    assert set(written(started)) == {"of-0", "of-1", "both", ".node-1/both"}


def test_removal_brings_what_nobody_has_brought(place: NamespacePlace, unreadable: None) -> None:
    started = place.start(SLEEPS).until_printed("ready", 4)
    place.target.remove(started.compute, started.handle)
    assert place.transport.states(started.handle) == {}
    assert written(started) == {"of-0": "0", "of-1": "1", "both": "0", ".node-1/both": "1"}
