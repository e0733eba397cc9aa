"""The plugin as a process of one machine, and what an engine asks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from unattended import machine

sys.path.insert(0, str(Path(__file__).parents[2] / "protocol"))

from job_plugin import Jobs as Lab
from job_plugin import Made, urn
from wiring import Client, FakeEngine

__all__ = ["FakeEngine", "Lab", "Made", "Plugin", "urn"]


class Plugin:
    """One plugin process, which works for one program."""

    def __init__(self, program: Path, machine_folder: Path, engine: FakeEngine) -> None:
        words = ["plugin", engine.address]
        self.process = subprocess.Popen(
            [sys.executable, str(Path(machine.__file__)), *words],
            env=machine.environment(machine_folder),
            cwd=program,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        self.client = Client(int(self.process.stdout.readline()))
        self.lab = Lab(program, self.client, engine)

    def end(self, *, is_killed: bool = False) -> None:
        """As the engine ends it, or as a machine that goes down does."""
        if not is_killed:
            self.client.cancel()
        self.client.channel.close()
        self.process.kill() if is_killed else self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
