"""What takes too long for CI: every part twice, with a line in docs/verified.md. `make test-slow PART=docker` starts it.

A part is a target's; it goes on where it was interrupted, and begins anew with another commit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEDGER = ROOT / "docs" / "verified.md"
TIMES = 2
_FAULTS = "tests/faults"
_LIFECYCLE = "tests/lifecycle"
_CONTRACT = "tests/contract"
PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "local": {
        "faults": tuple(
            f"{_FAULTS}/test_{name}.py"
            for name in ("fault_matrix", "engine_killed", "hard_cases", "machine_faults")
        ),
        "scale": (
            f"{_CONTRACT}/unattended/test_unattended_thousand.py",
            f"{_CONTRACT}/agent/test_agent_crowd.py",
        ),
        "frameworks": ("tests/e2e/test_frameworks.py", f"{_LIFECYCLE}/test_ddp_notebook.py"),
        "double builds": ("tests/e2e/test_wheel.py", f"{_CONTRACT}/environment/test_pypi_environment.py"),
    },
    "docker": {
        "faults": (f"{_FAULTS}/test_docker_faults.py",),
        "outages": (f"{_CONTRACT}/targets/test_docker_daemon.py", f"{_CONTRACT}/targets/test_docker_far.py"),
        "frameworks": ("tests/e2e/test_docker_examples.py", "tests/e2e/test_quickstart_in_containers.py"),
        "double builds": tuple(
            f"{_CONTRACT}/environment/test_image_{name}.py" for name in ("building", "contents", "registry")
        ),
    },
}
"""By target: groups of tests, each run by itself."""
_REQUIRED = {"local": "engine,mpi", "docker": "engine,mpi,docker"}


@dataclass(frozen=True)
class Result:
    """One run of a group. What was skipped is asked for and did not pass."""

    passed: int
    asked: int
    seconds: int

    @property
    def is_whole(self) -> bool:
        return self.passed == self.asked > 0


Run = Callable[[str, Sequence[str]], Result]


def run_part(part: str, kept: Path, run: Run) -> list[Result]:
    """The results of a part, both times of each group; those that were whole are taken from `kept`."""
    found = []
    for number in range(1, TIMES + 1):
        for group, files in PARTS[part].items():
            note = kept / f"{part}-{group.replace(' ', '-')}-{number}.json"
            result = Result(**json.loads(note.read_text())) if note.exists() else None
            if result is None or not result.is_whole:
                print(f"== {part}, {group}, {number} of {TIMES} ==", flush=True)
                result = run(part, files)
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(json.dumps(asdict(result)))
            found.append(result)
    return found


def line_of(commit: str, part: str, results: Sequence[Result]) -> str:
    """The ledger's line of a part."""
    passed, asked = sum(r.passed for r in results), sum(r.asked for r in results)
    return f"| {commit[:12]} | {part} | {passed}/{asked} | {sum(r.seconds for r in results)} |"


def run_pytest(part: str, files: Sequence[str]) -> Result:
    """Runs files by themselves, in one process and in their order."""
    report = ROOT / "build" / "verified" / "report.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    began = time.monotonic()
    required = {name for name in os.environ.get("TRAINING_REQUIRE", "").split(",") if name}
    subprocess.run(
        [sys.executable, "-m", "pytest", *files, f"--junitxml={report}"],
        cwd=ROOT,
        env={
            **os.environ,
            "TRAINING_FAULTS": "whole",
            "TRAINING_REQUIRE": ",".join(sorted(required | set(_REQUIRED[part].split(",")))),
        },
        check=False,
    )
    passed, asked = counts(report) if report.exists() else (0, 1)
    return Result(passed, asked, round(time.monotonic() - began))


def counts(report: Path) -> tuple[int, int]:
    """Tests that passed, and all of them, by pytest's own report."""
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    asked = sum(int(suite.get("tests", 0)) for suite in suites)
    lost = sum(int(suite.get(name, 0)) for suite in suites for name in ("failures", "errors", "skipped"))
    return max(asked - lost, 0), asked


def main(parts: Sequence[str]) -> int:
    """Runs parts one after the other; 1 where something did not pass, 2 where it cannot be told of which commit."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        print(f"there is no part {', '.join(unknown)}; they are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    changed = _git("status", "--porcelain", "--", ".", f":!{LEDGER.relative_to(ROOT)}")
    if changed:
        print(
            f"commit first: the ledger names a commit, and these differ from it\n{changed}", file=sys.stderr
        )
        return 2
    commit = _git("rev-parse", "HEAD")
    is_whole = True
    for part in parts or PARTS:
        results = run_part(part, ROOT / "build" / "verified" / commit, run_pytest)
        with LEDGER.open("a", encoding="utf-8") as ledger:
            ledger.write(line_of(commit, part, results) + "\n")
        is_whole = is_whole and all(result.is_whole for result in results)
    return 0 if is_whole else 1


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
