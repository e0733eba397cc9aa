"""Versions: the one that go.mod pins, and the one a pulumi says it is."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from .errors import EngineError

GO_MOD = Path(__file__).with_name("go.mod")
PULUMI_MODULE = "github.com/pulumi/pulumi/pkg/v3"
ANSWER_SECONDS = 60


def pinned_pulumi(go_mod: Path = GO_MOD) -> str:
    """The pinned version of pulumi, such as `v3.259.0`."""
    return _match(rf"^\s*(?:require\s+)?{re.escape(PULUMI_MODULE)}\s+(v\S+)", go_mod)


def needed_go(go_mod: Path = GO_MOD) -> tuple[int, ...]:
    """The oldest Go that can build the pinned modules, such as (1, 25, 11)."""
    return parse_go(_match(r"^go\s+(\S+)", go_mod))


def parse_go(text: str) -> tuple[int, ...]:
    """Numbers of a Go version: `go1.26.8`, `1.25`; a release candidate counts as its release."""
    numbers = re.match(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(n or 0) for n in numbers.groups()) if numbers else (0, 0, 0)


def verify(pulumi: Path, wanted: str) -> None:
    """Ask a pulumi for its version. Raises EngineError where it does not start or is another one."""
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [str(pulumi), "version"], env=environment, capture_output=True, text=True, timeout=ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{pulumi} does not start: {error}") from error
    said = answer.stdout.strip()
    if answer.returncode != 0 or said != wanted:
        raise EngineError(
            f"{pulumi} should be pulumi {wanted}, but `pulumi version` "
            f"said {said or answer.stderr.strip() or 'nothing'!r} with exit code {answer.returncode}"
        )


def _match(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise EngineError(f"{file} pins no version ({pattern})")
    return found.group(1)
