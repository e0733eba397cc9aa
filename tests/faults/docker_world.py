"""A world whose job runs in containers of a daemon that may be killed, filled and swept."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import psutil
from own_daemon import BASE, Daemon
from world import World

from pulumi_training.driver import stop
from pulumi_training.record.record import Record
from pulumi_training.record.store_identity import ensure_identity
from pulumi_training.spec.errors import TrainingError
from pulumi_training.spec.outcome import Status
from pulumi_training.targets.containers import names
from pulumi_training.targets.docker.backend import MARK
from pulumi_training.targets.docker.slots import Slots
from pulumi_training.targets.slots import Slots as ClusterSlots

LINES = {
    "rank": "-u train.py",
    "agent": "agent launch",
    "launcher": "prterun",
    "wrapper": "__main__.py rank",
}
"""What tells a process in a container apart; the containers are on this machine, so their processes are seen."""


class DockerWorld(World):
    """`ranks` containers with a process each. The scripts' lock and journal are in a folder that all containers mount."""

    def __init__(self, root: Path, cache: Path, daemon: Daemon, *, ranks: int = 2, **job: Any) -> None:
        super().__init__(root, cache, ranks=ranks, **job)
        self.daemon = daemon
        self.job["compute"] = {
            **self.job["compute"],
            "target": "docker",
            "settings": {"dockerHost": daemon.host},
        }
        bundle = os.environ.get("SSL_CERT_FILE", "")
        self.job["environment"] = {"image": BASE, **({"caBundle": bundle} if bundle else {})}
        self.job["outputs"] = {"proof": {"uri": f"host://{self.proof}", "mode": "mount"}}
        self.job["environmentVariables"]["PROOF"] = "${data.proof}"

    def slots(self) -> ClusterSlots:
        return Slots.of(self.job["compute"], self.state_dir, ensure_identity(self.store))

    def reach(self, phase: str) -> None:
        if phase == "environment building":
            self.until(lambda: "uilding the image" in self._told(), phase)
        elif phase == "starting":
            self.until(lambda: MARK.read(self.folder()), phase)
        else:
            super().reach(phase)

    def _told(self) -> str:
        document = self.document()
        return (document.progress or "") if document else ""

    def pids(self, who: str) -> list[int]:
        if who in ("plugin", "supervisor"):
            return super().pids(who)
        if who == "everything":
            return [*super().pids("plugin"), *super().pids("supervisor"), *(p.pid for p in self.left())]
        return [p.pid for p in self.left() if LINES[who] in " ".join([*p.cmdline(), p.name()])][-1:]

    def left(self) -> list[psutil.Process]:
        """With the agent, which was forked: what marks the others is not in the environment that it began with."""
        found = super().left()
        parents = [process.parent() for process in found]
        agents = {p.pid: p for p in parents if p is not None and p.name() == LINES["agent"]}
        return [*found, *agents.values()]

    def kill(self, who: str, number: int = signal.SIGKILL) -> None:
        if who.startswith("node "):
            with self.client() as client:
                client.api.kill(self.container(int(who[-1])))
            return
        super().kill(who, number)
        if who == "everything":
            self.until(lambda: not self._supervisors(), "the supervisor's end")

    def container(self, node: int) -> str:
        """The name of a node's container, of the newest attempt."""
        record, document = self.record(), self.document()
        assert record is not None and document is not None
        return names.object_name(record.run_id, document.attempt, node, store=document.store_identity)

    def client(self) -> _Client:
        """The daemon, to be asked within a `with`."""
        return _Client(self.daemon)

    def objects(self) -> list[str]:
        """What the daemon has of this world's runs, running or not."""
        found: list[str] = []
        with self.client() as client:
            for run_id in self.store.children("runs"):
                wanted = {"label": [f"{names.RUN}={run_id}"]}
                found += [line["Names"][0] for line in client.api.containers(all=True, filters=wanted)]
                found += [v["Name"] for v in client.api.volumes(filters=wanted)["Volumes"] or []]
                found += [network["Name"] for network in client.api.networks(filters=wanted)]
        return found

    def delete(self) -> None:
        """As `pulumi destroy`: afterwards nothing of ours is at the daemon, and the record answers."""
        for run_id in self.store.children("runs"):
            stop.remove(Record(self.store, run_id))
        assert self.objects() == []
        document = self.document()
        assert document is not None and document.status is Status.COMPLETED

    def close(self) -> None:
        super().close()
        with suppress(
            docker.errors.DockerException, TrainingError, OSError
        ):  # the daemon ends with all it has
            for run_id in self.store.children("runs"):
                stop.remove(Record(self.store, run_id))

    def story(self) -> str:
        return f"objects: {self.objects()}\n{super().story()}"


class _Client:
    def __init__(self, daemon: Daemon) -> None:
        self._client = daemon.client()

    def __enter__(self) -> docker.DockerClient:
        return self._client

    def __exit__(self, *details: object) -> None:
        self._client.close()
