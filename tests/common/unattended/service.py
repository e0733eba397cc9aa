"""A server of the service, started and ended by a test, and the hands that break it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from unattended.client import Client
from unattended.names import ADDRESS, CREDENTIAL, TARGET, name_of

TOKEN = "open-sesame"
COMMON = Path(__file__).parent.parent


class Service:
    """One server. It keeps what it has in `root`, so that another one goes on with it; `address` stays."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        port = self.address.rpartition(":")[2]
        self._process = subprocess.Popen(
            [sys.executable, str(COMMON / "unattended" / "server.py"), str(self.root)],
            env={
                **os.environ,
                CREDENTIAL: TOKEN,
                "PYTHONPATH": str(COMMON),
                "UNATTENDED_PORT": port,
                "TRAINING_STATE_DIR": str(self.root / "state"),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        assert self.address, "the server did not start"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def ask(self, verb: str, **order: Any) -> dict[str, Any]:
        return Client(self.address).ask(verb, **order)

    def rule(self, **rules: Any) -> None:
        self.ask("rule", **rules)

    def observations(self) -> list[int]:
        """For how many attempts each observation asked, in order."""
        found: list[int] = self.ask("counts")["asked_for"]
        return found

    def attempts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("all")["attempts"]
        return found

    def compute(self, store: str, **changes: Any) -> dict[str, Any]:
        """A cluster of it, as it crosses the wire."""
        return {
            "target": TARGET,
            "workspace": "lab",
            "store": store,
            "cluster": "cpu",
            "maxNodes": 2,
            "slotsPerNode": 2,
            "settings": {ADDRESS: self.address},
            **changes,
        }

    @property
    def is_up(self) -> bool:
        """Whether the server runs."""
        return self._process is not None

    def processes(self, run_id: str, attempt: int) -> list[psutil.Process]:
        """The live processes of an attempt: agent, launcher, ranks and their scripts."""
        found = []
        for process in psutil.process_iter():
            try:
                environment = process.environ()
            except psutil.Error:
                continue
            if environment.get("TRAINING_RUN_ID") == run_id and environment.get("TRAINING_ATTEMPT") == str(
                attempt
            ):
                found.append(process)
        return found

    def name(self, run_id: str, attempt: int, store: str) -> str:
        return name_of(run_id, attempt, store)
