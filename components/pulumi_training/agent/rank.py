"""`agent rank`: starts one rank's script, watches it, and writes down how it ended.

One thread, one poll loop. The script is started before anything that costs time (sockets, proofs) is loaded.
States: running -> (stopping) -> exited -> left. An exited wrapper of a failed or stopped rank waits for
`agent run` to let it go: leaving earlier would make the launcher kill the others within 0.2 s (measured).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the plain module, without the enums of `signal`
import os
import select
import time

from .facts import keep_room, open_log, say
from .rank_facts import first_facts
from .ranks_env import rank_number, script_environment
from .request import Request, read_request
from .run_line import RunLine
from .script import SIGKILL, SIGTERM, Script, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .pump import Pump

BEAT_SECONDS = 1.0
FILE_SECONDS = 10.0
LAUNCHER_GRACE = 0.1
"""Seconds for the script when the launcher itself says SIGTERM: it says SIGKILL 0.2 s later (measured)."""
HOLD_SECONDS = 5.0
"""How long an exited wrapper waits to be let go by `agent run`."""
NOT_STARTED = 127
ROOM_BYTES = 8 << 10
"""More than the facts of a rank ever take."""


def run_rank(request_path: str) -> int:
    """Runs one rank to its end; the answer is the script's own code, 128+n where signal n ended it."""
    try:
        request = read_request(request_path)
        rank = rank_number(os.environ)
    except (OSError, ValueError) as problem:
        say(f"agent rank: {problem}")
        return NOT_STARTED
    return RankWrapper(request, rank).run()


class RankWrapper:
    """One rank: its script, its facts, its line to `agent run`."""

    def __init__(self, request: Request, rank: int) -> None:
        self.request = request
        self.rank = rank
        self.script: Script | None = None
        self.pump: Pump | None = None
        self.line = RunLine()
        self._kill_at: float | None = None  # monotonic; set while the script is being stopped
        self._stopped_by_us = False
        self._is_told_to_end = self._ended_by_launcher = False
        self._leave_at: float | None = None  # monotonic; set once the script has ended
        self._next_beat = self._next_file = 0.0
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self.facts: dict[str, Any] = first_facts(request, rank)

    def run(self) -> int:
        """Starts the script, waits, and answers its exit code."""
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.signal(_signal.SIGTERM, self._on_sigterm)
        _signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        code = NOT_STARTED
        try:
            self._start()
        except (OSError, ValueError) as problem:
            self._not_started(problem)
        self._prepare_watching()
        while self._leave_at is None or time.monotonic() < self._leave_at:
            self._connect()
            self._wait()
            if self._is_told_to_end:
                self._end_for_launcher()
            self._enforce()
            if self.script is not None and self._leave_at is None and self.script.poll():
                self._ended()
            if self._leave_at and self.facts.get("orphaned") and self._have_all_ended():
                self._leave_at = 0.0
            self._beat()
        if self.script is not None and self.script.status is not None:
            code = 128 + self.script.signal if self.script.signal else self.script.exit_code or 0
        return code

    # -- the script ------------------------------------------------------------------------------------------

    def _start(self) -> None:
        request, rank = self.request, self.rank
        for folder in ("logs/std", "metrics", "ranks"):
            os.makedirs(f"{request.folder}/{folder}", exist_ok=True)
        self._log = open_log(request.log_file(rank))
        self.environment = script_environment(request, rank, os.environ)
        output = self._log
        secrets = [self.environment[name] for name in request.secret_names if self.environment.get(name)]
        if secrets:
            from .pump import Pump

            self.pump = Pump(self._log, secrets)
            output = self.pump.write_end
        self.script = start(request.script, self.environment, request.cwd, output, dies_with_parent=True)
        if self.pump:
            self.pump.started()
        self.facts.update(state="running", started_at=time.time(), script_pid=self.script.pid)

    def _not_started(self, problem: Exception) -> None:
        text = f"the script could not be started: {problem}"
        try:
            os.write(self._log, f"agent: {text}\n".encode("utf-8", "replace"))
        except (OSError, AttributeError):
            say(f"agent rank {self.rank}: {text}")  # no log to write to: the launcher's shows it
        now = time.time()
        self.facts.update(state="exited", started_at=now, ended_at=now, exit_code=NOT_STARTED, exception=text)
        self._leave_at = time.monotonic() + HOLD_SECONDS

    def _prepare_watching(self) -> None:
        """What takes time to load and is not needed to start the script."""
        from .activity import Activity
        from .memory import oom_kills

        request = self.request
        keep_room(request.folder, str(self.rank), ROOM_BYTES)
        self._oom_before = oom_kills()
        self._activity = Activity(
            request.log_file(self.rank),
            f"{request.folder}/metrics/rank-{self.rank}.jsonl",
            (f"{request.folder}/outputs", f"{request.folder}/logs"),
            walks=self.rank == 0 if request.is_single_host else self.rank % request.ranks_per_node == 0,
        )
        self.line.seek(request.limits.start)

    def _ended(self) -> None:
        script = self.script
        assert script is not None
        if self.pump:
            self.pump.drain()
        success = script.exit_code == 0
        self.facts.update(
            state="exited",
            ended_at=time.time(),
            exit_code=script.exit_code,
            success=success,
            stopped_by_us=self._stopped_by_us,
            ended_by_launcher=self._ended_by_launcher,
        )
        if not success:
            from . import ending, memory  # regular expressions: loaded only where something went wrong

            if script.signal:
                self.facts["signal"] = ending.signal_name(script.signal)
            self.facts["exception"] = ending.exception_line(self.request.log_file(self.rank))
            if (script.signal == SIGKILL or script.exit_code == 128 + SIGKILL) and not self._stopped_by_us:
                self.facts["oom"] = memory.was_out_of_memory(script.pid, self._oom_before)
        if self._kill_at is not None:
            script.send(SIGKILL)  # whatever of its group outlived a stopped script
        self._connect()
        told = self._tell({"t": "exited", "facts": self.facts})
        orphaned = self.facts.get("orphaned") and not self._ended_by_launcher
        self._write(is_final=not self._ended_by_launcher)  # no time for the disk: SIGKILL is on its way
        holds = told and not self._ended_by_launcher and (not success or self._kill_at is not None)
        grace = max(0.0, (self._kill_at or 0.0) - time.monotonic())
        self._leave_at = time.monotonic() + (HOLD_SECONDS + grace if holds or orphaned else 0.0)

    # -- stopping --------------------------------------------------------------------------------------------

    def _stop(self, grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace` seconds; a later, shorter grace wins."""
        if self.script is None or self.script.poll():
            return
        kill_at = time.monotonic() + grace
        if self._kill_at is None:
            self._stopped_by_us = True
            self.script.send(SIGTERM)
            self._kill_at = kill_at
        self._kill_at = min(self._kill_at, kill_at)

    def _enforce(self) -> None:
        if self._kill_at is None or self.script is None or time.monotonic() < self._kill_at:
            return
        if not self.script.poll():
            self.script.send(SIGKILL)

    def _on_sigterm(self, *_: object) -> None:
        self._is_told_to_end = True  # the wakeup descriptor ends the poll at once

    def _end_for_launcher(self) -> None:
        """The launcher ends the job: of its own accord, because of MPI_Abort or of another rank's end."""
        self._is_told_to_end = False
        if self._leave_at is not None:
            self._leave_at = 0.0
            return
        if self.script is None:
            return
        self._ended_by_launcher = not self._stopped_by_us
        self._tell({"t": "terminated"})
        # A rank that called MPI_Abort is just about to end by itself; its own code is the better fact.
        end = time.monotonic() + 0.05
        while time.monotonic() < end and not self.script.poll():
            time.sleep(0.005)
        self._stop(LAUNCHER_GRACE)

    def _have_all_ended(self) -> bool:
        """Whether all ranks' files say so: without `agent run`, nobody else tells."""
        from .facts import read_json_or_empty

        files = [self.request.rank_file(rank) for rank in range(self.request.world_size)]
        return all(read_json_or_empty(file).get("state") == "exited" for file in files)

    # -- the line to `agent run` -----------------------------------------------------------------------------

    def _connect(self) -> None:
        if (
            self.line.connect({"t": "hello", "rank": self.rank, "facts": self.facts})
            and self._leave_at is not None
        ):
            self._tell({"t": "exited", "facts": self.facts})

    def _tell(self, message: dict[str, Any]) -> bool:
        is_told = self.line.tell(message)
        if self.line.was_lost():
            self._lost_run()
        return is_told

    def _lost_run(self) -> None:
        """`agent run` is gone, nobody owns this rank any more: it is stopped, with its grace."""
        if self._leave_at is not None:
            self._leave_at = 0.0
        else:
            self.facts["orphaned"] = True
            self._stop(self.request.limits.grace)

    def _listen(self) -> None:
        orders = self.line.orders()
        if self.line.was_lost():
            self._lost_run()
        for order in orders:
            if order["do"] == "stop":
                self._stop(float(order["grace"]))
            elif order["do"] == "leave":
                self._leave_at = 0.0 if self._leave_at is not None else self._leave_at
            elif order["do"] == "stacks":
                self._save_stacks()

    def _save_stacks(self) -> None:
        from .stacks import save_stacks

        request, saved = self.request, False
        if self.script is not None and not self.script.poll():
            marks = {
                "TRAINING_RUN_ID": request.run_id,
                "TRAINING_ATTEMPT": str(request.attempt),
                "TRAINING_METRICS": self.environment["TRAINING_METRICS"],  # this store's, and this rank's
            }
            destination = f"{request.folder}/logs/stacks/rank-{self.rank}.txt"
            try:
                saved = save_stacks(
                    self.script.pid, marks, request.log_file(self.rank), destination, self.pump
                )
            except OSError as problem:
                say(f"agent rank {self.rank}: stacks not saved: {problem}")
        self._tell({"t": "stacks", "saved": saved})

    # -- the loop --------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        now = time.monotonic()
        times = [self._next_beat, self._leave_at, self._kill_at if self._leave_at is None else None]
        until = min((at for at in times if at is not None), default=now + BEAT_SECONDS)
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if self.line.is_open:
            poll.register(self.line, select.POLLIN)
        if self.pump is not None and self.pump.is_open:
            poll.register(self.pump, select.POLLIN)
        # A script that ended before its signal could wake anybody must not wait for a whole beat.
        if self.script is not None and self._leave_at is None and self.script.poll():
            return
        wait = max(0.0, min(until - now, BEAT_SECONDS))
        if self._kill_at is not None and now >= self._kill_at:
            wait = 0.05  # SIGKILL was sent
        if self._leave_at is not None and self.facts.get("orphaned"):
            wait = min(wait, 0.1)  # nobody will tell when the others have ended
        ready = {fd for fd, _ in poll.poll(wait * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        if self.line.is_open and self.line.fileno() in ready:
            self._listen()
        if self.pump is not None and self.pump.is_open and self.pump.fileno() in ready:
            self.pump.move()

    def _beat(self) -> None:
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT_SECONDS
        last = self._activity.look()
        self._tell({"t": "beat", "idle": round(max(0.0, time.time() - last), 3)})
        self.facts.update(heartbeat_at=time.time(), last_activity_at=last)
        if now >= self._next_file:
            self._next_file = now + FILE_SECONDS
            self._write()

    def _write(self, *, is_final: bool = False) -> None:
        from .facts import write_json, write_last

        request = self.request
        try:
            if is_final:
                write_last(request.folder, f"ranks/{self.rank}.json", self.facts, request.spare)
            else:
                write_json(request.rank_file(self.rank), self.facts)
        except OSError as problem:
            say(f"agent rank {self.rank}: facts not written: {problem}")
