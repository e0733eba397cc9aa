"""A service in another process that owns its runs: nobody of ours stays with them, and all is asked over the network."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from places import Place, Started, place
from unattended.descriptor import register, unregister
from unattended.names import ADDRESS, CREDENTIAL, TARGET
from unattended.service import TOKEN, Service

_SERVICE = "fake-service"


@place
class UnattendedPlace(Place):
    """One server for each test; its machine is this one, so that its processes can be killed."""

    name = TARGET
    offers_gpus = False
    is_of_tests = True

    def __init__(self, root: Path) -> None:
        register()
        os.environ[CREDENTIAL] = TOKEN
        super().__init__(root)
        self.service = Service(root / _SERVICE)

    def missing(self) -> str:
        self.service.start()
        return ""

    def compute(self, nodes: int = 2, slots: int = 2, gpus: int = 0) -> dict[str, Any]:
        return {**super().compute(nodes, slots, gpus), "settings": {ADDRESS: self.service.address}}

    def kill_node(self, started: Started, node: int) -> None:
        """Kills the ranks of a node, wrappers and scripts, as nearly at once as can be."""
        victims = []
        for process in self.service.processes(started.run.run_id, started.run.attempt):
            environment = process.environ()
            rank = environment.get("OMPI_COMM_WORLD_RANK") or environment.get("PMIX_RANK")
            if rank is not None and int(rank) // 2 == node:
                victims.append(process.pid)
        assert len(victims) == 4
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in victims:
                os.kill(pid, number)

    def forget(self, started: Started) -> None:
        self.service.ask("remove", name=self._name(started))

    def left(self, started: Started) -> list[str]:
        if not self.service.is_up:
            return []
        is_over = self.service.ask("is_over", name=self._name(started))["is_over"]
        return [] if is_over else [self._name(started)]

    def close(self) -> None:
        super().close()
        for started in self.started:
            started.until_gone()
        self.service.stop()
        unregister()
        del os.environ[CREDENTIAL]

    def _name(self, started: Started) -> str:
        return self.service.name(started.run.run_id, started.run.attempt, started.run.store)
