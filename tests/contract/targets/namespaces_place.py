"""Namespaces of this machine: what `targets.containers` has is driven by another transport than a Docker daemon's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from namespaces.descriptor import FOLDER, TARGET, register, unregister
from namespaces.machine import why_not
from namespaces.transport import NamespaceTransport
from places import Place, Started, place


@place
class NamespacePlace(Place):
    """One backend for each test."""

    name = TARGET
    service = "netns"
    offers_gpus = False
    is_of_tests = True

    def __init__(self, root: Path) -> None:
        register()
        super().__init__(root)
        self.transport = NamespaceTransport(root / "nodes")

    def missing(self) -> str:
        reason = why_not()
        if reason:
            unregister()
        return reason

    def compute(self, nodes: int = 2, slots: int = 2, gpus: int = 0) -> dict[str, Any]:
        return {**super().compute(nodes, slots, gpus), "settings": {FOLDER: str(self.root / "nodes")}}

    def kill_node(self, started: Started, node: int) -> None:
        self.transport.kill([self.transport.states(started.handle)[node]])

    def forget(self, started: Started) -> None:
        assert self.transport.states(started.handle) == {}, "collection takes everything away"
        shutil.rmtree(started.run.folder / "launch")

    def left(self, started: Started) -> list[str]:
        return [s.name for s in self.transport.states(started.handle).values() if s.is_running]

    def close(self) -> None:
        super().close()
        for started in self.started:
            assert self.transport.states(started.handle) == {}
        unregister()
