"""A world whose ranks live in containers: its processes are found at the daemon, its proofs on a mounted folder."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import daemon
from world import World

from pulumi_training.spec.outcome import Status
from pulumi_training.targets.docker import names

PROOF = "/training-data/proof"
"""Where the folder of proofs is inside of a node."""
IN_CONTAINER = {"rank": "train.py", "launcher": "prterun", "daemon": "prted", "agent": " node "}
"""What tells a process of a node by its command line."""


class DockerWorld(World):
    """Its folder of proofs is the daemon's too: the daemon is on this machine."""

    def __init__(self, root: Path, cache: Path, *, ranks: int = 2, **job: Any) -> None:
        super().__init__(root, cache, ranks=ranks, **job)
        self.image = daemon.base_image()
        self.variables = {**daemon.variables(), "TMPDIR": str(root)}
        self.job["compute"]["target"] = "docker"
        self.job["environment"] = {"image": self.image}
        self.job["environmentVariables"] = {"PROOF": PROOF}
        self.job["outputs"] = {"proof": {"uri": f"host://{self.proof}", "mode": "mount"}}
        self.client = daemon.connect()

    # -- what is there ---------------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The label that every object of this world's store carries."""
        return f"{names.STORE}={self.job['compute']['store']}"

    def containers(self) -> dict[int, str]:
        """The ids of the running containers by node."""
        found = self.client.api.containers(filters={"label": self.label})
        return {int(line["Labels"][names.NODE]): str(line["Id"]) for line in found}

    def processes(self, node: int, words: str) -> list[int]:
        """Pids, as this machine counts them, of a node's processes whose command line has these words."""
        answer = self.client.api.top(self.containers()[node], ps_args="-eo pid,args")
        return [int(line[0]) for line in answer["Processes"] if words in " ".join(line[1:])]

    def is_up(self, nodes: int) -> bool:
        """Whether so many containers run and nobody's script does."""
        return len(self.containers()) == nodes and not self.journal()

    # -- what is done to it ----------------------------------------------------------------------------------

    def reach(self, phase: str) -> None:
        if phase == "starting":
            self.until(lambda: self.containers() or self.journal(), phase)
        elif phase == "collecting":
            self.until(lambda: len(self.journal()) == self.ranks, "running")
            self.release()
            self.until(lambda: self._status() in (Status.FINALIZING, Status.COMPLETED), phase)
        else:
            super().reach(phase)

    def pids(self, who: str) -> list[int]:
        if who in IN_CONTAINER:
            node = 0 if who == "launcher" else 1
            return self.processes(node, IN_CONTAINER[who])[:1]
        return super().pids(who)

    def kill(self, who: str, number: int = signal.SIGKILL) -> None:
        if who == "container":
            self.client.api.kill(self.until(lambda: self.containers()[1], "a container"))
            return
        if who == "everything":
            for found in (*super().pids("plugin"), *super().pids("supervisor")):
                self._end(found, number)
            for container in self.containers().values():
                self.client.api.kill(container)
            return
        super().kill(who, number)

    # -- the verdict -----------------------------------------------------------------------------------------

    def check(self, *, complete: bool = True) -> None:
        super().check(complete=complete)
        assert daemon.objects(self.label) == [], "something of a run is left at the daemon"

    def close(self) -> None:
        super().close()
        api = self.client.api
        for line in api.containers(all=True, filters={"label": self.label}):
            api.remove_container(line["Id"], force=True, v=True)
        for volume in api.volumes(filters={"label": self.label})["Volumes"] or []:
            api.remove_volume(volume["Name"], force=True)
        for network in api.networks(filters={"label": self.label}):
            api.remove_network(network["Id"])
        self.client.close()
