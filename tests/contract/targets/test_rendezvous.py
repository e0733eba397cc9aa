"""Processes find one another by what the environment says, on every target; no framework is needed for that."""

from __future__ import annotations

import pytest
from places import Place

from pulumi_training.spec.outcome import Reason

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(300)]


def test_processes_of_gloo_meet_at_the_master(place: Place) -> None:
    started = place.start(
        """
import os, socket, time
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
master = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    server, heard = socket.create_server(("", master[1])), []
    while len(heard) < size - 1:
        line, _ = server.accept()
        heard.append(int(line.recv(10)))
        line.close()
    assert sorted(heard) == list(range(1, size)), heard
else:
    for _ in range(300):
        try:
            with socket.create_connection(master) as line:
                line.sendall(str(rank).encode())
            break
        except OSError:
            time.sleep(0.1)
    else:
        raise SystemExit("nobody at the master's place")
print("met", rank, os.environ["LOCAL_RANK"], os.environ["NODE_RANK"], flush=True)
"""
    )
    assert started.outcome().reason is Reason.COMPLETED
    assert [started.log(rank) for rank in range(4)] == [
        f"met {rank} {rank % 2} {rank // 2}\n".encode() for rank in range(4)
    ]


def test_workers_and_parameter_servers_find_one_another(place: Place) -> None:
    started = place.start(
        """
import json, os, socket, time
cluster, me = (json.loads(os.environ["TF_CONFIG"])[part] for part in ("cluster", "task"))
places = [(h, int(p)) for kind in cluster.values() for h, _, p in (each.rpartition(":") for each in kind)]
server = socket.create_server(("", int(cluster[me["type"]][me["index"]].rpartition(":")[2])), backlog=10)
lines = []
for place in places:
    for _ in range(300):
        try:
            lines.append(socket.create_connection(place))
            break
        except OSError:
            time.sleep(0.1)
    else:
        raise SystemExit(f"nobody at {place}")
guests = [server.accept() for _ in places]
print(me["type"], me["index"], "of", {kind: len(each) for kind, each in cluster.items()}, flush=True)
time.sleep(1)
""",
        distributedBackend="tensorflow",
        workerCount=3,
        parameterServerCount=1,
    )
    assert started.outcome().reason is Reason.COMPLETED
    said = sorted(started.log(rank).decode() for rank in range(4))
    assert [line.split(" of ")[0] for line in said] == ["ps 0", "worker 0", "worker 1", "worker 2"]
    assert {line.split(" of ")[1].strip() for line in said} in (
        {"{'worker': 3, 'ps': 1}"},
        {"{'ps': 1, 'worker': 3}"},
    )
