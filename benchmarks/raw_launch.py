"""The bare `mpirun` of a run: the launcher and the script of its plan, and nothing of ours between them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 300


@dataclass(frozen=True)
class RawLaunch:
    """What `mpirun` needs: its line up to the program, the program, and the ranks' environment."""

    launcher: list[str]
    script: list[str]
    environment: dict[str, str]

    @classmethod
    def of(cls, attempt: Path) -> RawLaunch:
        """From the plan in the record of an attempt."""
        plan: dict[str, Any] = json.loads((attempt / "attempt.json").read_bytes())["plan"]["request"]
        return cls(list(plan["launcher"]), list(plan["script"]), dict(plan["environment"]))

    def run(self, cwd: Path, *, options: tuple[str, ...] = (), output: Path | None = None) -> None:
        """Runs it to its end in `cwd`; raises CalledProcessError where it failed.

        `options` are more options of `mpirun`; `output` makes a shell in each rank send what the script
        prints to `<output>/rank-N.log`.
        """
        script = self.script
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            line = f'exec "$@" > "{output}/rank-$OMPI_COMM_WORLD_RANK.log" 2>&1'
            script = ["/bin/sh", "-c", line, "sh", *script]
        subprocess.run(
            [*self.launcher, *options, *script],
            cwd=cwd,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=SECONDS,
        )


def attempt_folder(outputs: dict[str, Any]) -> Path:
    """The folder of the attempt that a job's outputs tell of."""
    return Path(str(outputs["outputsLocation"]).removeprefix("file://")).parent
