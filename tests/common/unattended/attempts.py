"""The attempts of the service: kept in a folder, queued for slots, run by the agent, ended, forgotten."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pulumi_training.agent.package import install
from pulumi_training.driver.folders import link_folders
from pulumi_training.launch.request import Limits
from pulumi_training.spec.outcome import Status
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.local import agent_process, processes
from pulumi_training.targets.local import observe as local_observe
from pulumi_training.targets.local.surroundings import inherited, with_interpreter
from unattended.names import FOLDER


@dataclass
class Kept:
    """One attempt. `state` is Queued, Running or Ended; `answer` is the last observation, once it has ended."""

    name: str
    run_id: str
    attempt: int
    store: str
    slots: int
    request: dict[str, Any]
    prefix: str
    queue_limit: float | None = None
    state: str = "Queued"
    submitted_at: float = field(default_factory=time.time)
    started_at: float | None = None
    ended_at: float | None = None
    is_sleeping: bool = False
    answer: dict[str, Any] | None = None


@dataclass
class Rules:
    """How the service behaves; tests change it while it runs. Times are in seconds.

    `slots` are what it gives at once; `forgets_after` the time that an ended attempt is kept; `is_silent` leaves every
    question without an answer; `holds_logs_back` keeps bytes from the mirror for so long; `only_pretends` starts no
    process: such an attempt sleeps until it is canceled, or finished by `finish_pretended`; `keeps_limits` has the agent
    end what runs too long; `confirms_after` is how long a submission that was taken waits for its answer.
    """

    slots: int = 64
    forgets_after: float | None = None
    is_silent: bool = False
    holds_logs_back: float = 0.0
    only_pretends: bool = False
    keeps_limits: bool = True
    confirms_after: float = 0.0


class Attempts:
    """All attempts; one thread starts, ends and forgets them."""

    def __init__(self, root: Path, rules: Rules) -> None:
        self.root = root
        self.rules = rules
        self._guard = threading.RLock()
        self._kept: dict[str, Kept] = {}
        self._secrets: dict[str, dict[str, str]] = {}
        for path in sorted((root / "attempts").glob("*/kept.json")):
            found = Kept(**json.loads(path.read_text()))
            self._kept[found.name] = found
        threading.Thread(target=self._go_on, daemon=True).start()

    def folder(self, name: str) -> Path:
        return self.root / "attempts" / name / "runs" / "folder"

    def submit(self, order: dict[str, Any]) -> None:
        """Takes an attempt, unless it is there already; its code was brought before."""
        with self._guard:
            if order["name"] in self._kept:
                return
            secrets = order.pop("secrets")
            kept = Kept(**order, is_sleeping=self.rules.only_pretends)
            folder = self.folder(kept.name)
            text = json.dumps(kept.request).replace(FOLDER, str(folder))
            kept.request = json.loads(text)
            for part in ("launch", "ranks", "metrics", "logs/std", "logs/stacks", "outputs", "events"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            if not kept.is_sleeping:
                (folder / "code").mkdir(exist_ok=True)
                if not (folder / "code" / "outputs").is_symlink():
                    link_folders(folder / "code")
            self._kept[kept.name], self._secrets[kept.name] = kept, secrets
            self._save(kept)

    def state(self, name: str) -> dict[str, Any] | None:
        """What the service says of an attempt; None where it has none of that name."""
        with self._guard:
            kept = self._kept.get(name)
            if kept is None:
                return None
            if kept.answer is not None:
                return kept.answer
            found: dict[str, Any] = {"status": "Running" if kept.state == "Running" else "Queued"}
        if kept.state == "Running" and not kept.is_sleeping:
            found["ranks"] = [asdict(rank) for rank in local_observe._ranks(self.folder(name))]
        return {**found, "started_at": kept.started_at}

    def cancel(self, name: str, grace: float) -> None:
        """Begins a stop; whoever asked looks for its end."""
        with self._guard:
            kept = self._kept.get(name)
            if kept is None or kept.state == "Ended":
                return
            if kept.state == "Queued" or kept.is_sleeping:
                self._end(kept, self._words("cancel"))
                return
        threading.Thread(target=agent_process.stop, args=(self._handle(kept), grace), daemon=True).start()

    def finish_pretended(self) -> int:
        """Every attempt that only pretends succeeds now, as far as it runs: how many there were."""
        with self._guard:
            sleeping = [kept for kept in self._kept.values() if kept.is_sleeping and kept.state == "Running"]
        now = time.time()
        rank = {"rank": 0, "state": "exited", "exit_code": 0, "success": True, "ended_at": now}
        launch = {"exit_code": 0, "ranks_expected": 1, "ended_at": now}
        for kept in sleeping:
            with self._guard:
                self._end(kept, {"status": "Completed", "ranks": [rank], "launch": launch})
        return len(sleeping)

    def preempt(self, name: str) -> None:
        """Takes the machine away, with a word."""
        order = json.dumps({"why": "preempted", "grace_seconds": 0}).encode()
        (self.folder(name) / "launch" / "stop.json").write_bytes(order)

    def lose(self, name: str) -> None:
        """Loses the machine without a word: every process, the agent too."""
        kept = self._kept[name]
        if kept.is_sleeping:
            self._end(kept, {"status": "Failed", "ranks": [], "launch": None})
        for process in processes.find(agent_process.marks_of(self._handle(kept))):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def amend(self, name: str, limits: dict[str, Any]) -> None:
        path = self.folder(name) / "launch" / "launch.json"
        with self._guard:
            kept = self._kept.get(name)
            if kept is None or not self.rules.keeps_limits:
                return
            kept.request["limits"] = limits
            self._save(kept)
            if path.exists():
                _write(path, {**json.loads(path.read_text()), "limits": limits})

    def remove(self, name: str) -> None:
        with self._guard:
            kept = self._kept.get(name)
        if kept is None:
            return
        if not kept.is_sleeping:
            agent_process.stop(self._handle(kept), 0.0)
        with self._guard:
            self._kept.pop(name, None)
            self._secrets.pop(name, None)
        shutil.rmtree(self.root / "attempts" / name, ignore_errors=True)

    def all(self) -> list[dict[str, Any]]:
        """Names and labels of all."""
        with self._guard:
            return [
                {"run_id": k.run_id, "attempt": k.attempt, "store": k.store, "state": k.state, "name": k.name}
                for k in self._kept.values()
            ]

    def is_over(self, name: str) -> bool:
        """Whether nothing of an attempt runs."""
        kept = self._kept.get(name)
        if kept is None:
            return True
        if kept.state != "Ended":
            return False
        return kept.is_sleeping or not processes.find(agent_process.marks_of(self._handle(kept)))

    def _go_on(self) -> None:
        while True:
            with self._guard:
                everyone = list(self._kept.values())
            for kept in everyone:
                if kept.state == "Running" and not kept.is_sleeping:
                    self._see_end(kept)
                elif kept.state == "Ended" and self._is_forgotten(kept):
                    self.remove(kept.name)
            with self._guard:
                for kept in self._next(everyone):
                    self._start(kept)
            time.sleep(0.05)

    def _is_forgotten(self, kept: Kept) -> bool:
        limit = self.rules.forgets_after
        return limit is not None and time.time() - (kept.ended_at or 0.0) > limit

    def _next(self, everyone: list[Kept]) -> Iterator[Kept]:
        free = self.rules.slots - sum(kept.slots for kept in everyone if kept.state == "Running")
        for kept in everyone:
            if kept.state == "Queued":
                free -= kept.slots
                if free < 0:
                    return
                yield kept

    def _start(self, kept: Kept) -> None:
        kept.state, kept.started_at = "Running", time.time()
        folder = self.folder(kept.name)
        if not kept.is_sleeping:
            agent = [sys.executable, "-I", "-S", str(install(self.root / "agent"))]
            if not self.rules.keeps_limits:
                kept.request["limits"] = {**kept.request["limits"], "run_seconds": None}
            _write(folder / "launch" / "launch.json", {**kept.request, "agent": agent})
            secrets = self._secrets.get(kept.name, {})
            own = {"TRAINING_RUN_ID": kept.run_id, "TRAINING_ATTEMPT": str(kept.attempt)}
            marks = {"TRAINING_OUTPUT_DIR": f"{folder}/outputs", "TRAINING_STORE_ID": kept.store}
            environment = with_interpreter(
                {**inherited(), **secrets, **own, **marks}, Path(kept.prefix) / "bin"
            )
            line = [*agent, "run", "--request", str(folder / "launch" / "launch.json")]
            agent_process.start(folder, line, environment, None)
        self._save(kept)

    def _see_end(self, kept: Kept) -> None:
        seen = local_observe.observe(self._handle(kept))
        if seen.status.is_terminal or seen.status is Status.NOT_STARTED:
            self._end(
                kept,
                {
                    "status": Status.FAILED.value if seen.status is Status.NOT_STARTED else seen.status.value,
                    "ranks": [asdict(rank) for rank in seen.ranks],
                    "launch": asdict(seen.launch) if seen.launch else None,
                },
            )

    def _end(self, kept: Kept, answer: dict[str, Any]) -> None:
        kept.state, kept.ended_at = "Ended", time.time()
        kept.answer = {**answer, "started_at": kept.started_at}
        self._save(kept)

    def _words(self, why: str) -> dict[str, Any]:
        launch = {"exit_code": None, "stopped_why": why, "ranks_expected": 1}
        return {"status": "Failed", "ranks": [], "launch": launch}

    def _handle(self, kept: Kept) -> Handle:
        return Handle("local", kept.run_id, kept.attempt, str(self.folder(kept.name)), store=kept.store)

    def _save(self, kept: Kept) -> None:
        _write(self.root / "attempts" / kept.name / "kept.json", asdict(kept))


def limits_of(document: dict[str, Any]) -> dict[str, Any]:
    return dict(Limits.of_job(document).__dict__)


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    new.write_text(json.dumps(document))
    new.replace(path)
