"""`agent run`: owns one launch from the launcher's start to `launch/end.json`, its last act.

One thread, one poll loop. A stop goes first to the ranks, which give their scripts the grace; the launcher is
told last, because it would kill the ranks within 0.2 s. It goes on when its own parent dies: whoever comes
next reads its files. SIGTERM, or a file `launch/stop.json`, cancels; a second SIGTERM cancels at once.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the plain module, without the enums of `signal`
import os
import select
import time

from . import channel
from .facts import keep_room, read_json_or_empty, say, write_json
from .launcher import SOCKET, Launcher, short_temporary, tidy
from .request import Limits, Request, read_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .members import Members
    from .stopping import Stopping

TICK_SECONDS = 0.1
ROOM_BYTES, ROOM_BYTES_OF_A_RANK = 32 << 10, 32
"""More than `end.json` ever takes."""
LAST_WORDS_SECONDS = 1.0
"""How long the ranks' last messages are read after the launcher's end."""


def run_launch(request_path: str, *, is_alone: bool = False, secret_file: str | None = None) -> int:
    """Runs one launch; 0 only when every rank succeeded and nothing was stopped.

    `is_alone`: the machine is there for this run alone, so that what its outputs link to is kept before it ends.
    """
    mark = _mark_of(request_path)
    try:
        request = read_request(request_path)
        request.is_alone, request.secret_file = is_alone, secret_file
        os.makedirs(f"{request.folder}/launch", exist_ok=True)
    except (OSError, ValueError) as problem:
        say(f"agent run: {problem}")
        return 2
    return Launch(request, os.path.abspath(request_path), mark).run()


class Launch:
    """One launch and its ranks."""

    def __init__(self, request: Request, request_path: str, mark: tuple[int, int] = (0, 0)) -> None:
        self.request = request
        self._request_path = request_path
        self._secret = os.environ.get(channel.SECRET_VARIABLE) or os.urandom(16).hex()
        self._sigterms = self._sigterms_seen = 0
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self.launcher: Launcher | None = None
        self.members: Members
        self.stopping: Stopping
        self._next_look = 0.0
        self._request_seen = mark  # as it was read; (0, 0) looks once more

    def run(self) -> int:
        """Starts, waits, and leaves the facts of the end."""
        keep_descriptors_to_oneself()
        _signal.signal(_signal.SIGTERM, self._on_sigterm)
        _signal.signal(_signal.SIGINT, self._on_sigterm)
        _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        trouble = ""
        keep_room(self.request.folder, "end", ROOM_BYTES + ROOM_BYTES_OF_A_RANK * self.request.world_size)
        temporary = short_temporary()
        address = self._listen(temporary)
        try:
            self._await_nodes()
            self.launcher = Launcher(self.request, self._request_path, address, self._secret, temporary)
        except (OSError, ValueError) as problem:
            trouble = f"the launcher could not be started: {problem}"
        code = self._see_to_the_end(address, trouble)
        self._server.close()
        tidy(temporary)
        return code

    def _listen(self, folder: str) -> str:
        """The address at which the ranks find this process; on one machine nobody else's processes reach it."""
        if not self.request.is_single_host:
            self._server = channel.listen("")
            return f"{self._own_name()}:{self._server.getsockname()[1]}"
        path = f"{os.path.abspath(folder)}/{SOCKET}"
        try:
            self._server = channel.listen_at(path)
        except OSError as problem:  # a file system without sockets
            say(f"agent run: {path}: {problem}; listening on the loopback address instead")
            self._server = channel.listen("127.0.0.1")
            return f"127.0.0.1:{self._server.getsockname()[1]}"
        return path

    def _see_to_the_end(self, address: str, trouble: str) -> int:
        # Loaded only now: the launcher is starting the ranks meanwhile.
        from .door import Door
        from .members import Members
        from .script import adopt_orphans
        from .stopping import Stopping

        door = Door(self._server, self._secret, expected=self.request.world_size)
        self.members = Members(self.request, door)
        self.stopping = Stopping(self.request, self.members, self.launcher)
        if self.launcher is not None:
            adopt_orphans()
            self._write_run(address, self.launcher)
            while not self.launcher.poll():
                self._step(TICK_SECONDS)
            self._hear_last_words()
        from . import end  # regular expressions: nobody waits for them any more

        return end.close(self.request, self.launcher, self.members, self.stopping, trouble)

    def _write_run(self, address: str, launcher: Launcher) -> None:
        document = {
            "pid": os.getpid(),
            "started_at": time.time(),
            "argv": launcher.argv,
            "launcher_pid": launcher.process.pid,
            "address": address,
        }
        try:
            write_json(f"{self.request.folder}/launch/run.json", document)
        except OSError as problem:  # it is for people; the run goes on without
            say(f"agent run: launch/run.json: {problem}")

    def _step(self, wait: float) -> None:
        """One turn: hear the ranks, see the orders from outside, enforce limits and deadlines."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        for fd in self.members.descriptors():
            poll.register(fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(wait * 1000)]
        for fd in ready:
            if fd == self._wake_read:
                os.read(self._wake_read, 4096)
            else:
                self.members.hear(fd)
        self._see_orders()
        self.stopping.enforce(time.monotonic())

    def _see_orders(self) -> None:
        if self._sigterms > self._sigterms_seen:
            at_once = self._sigterms > 1
            self._sigterms_seen = self._sigterms
            self.stopping.stop("cancel", grace=0.0 if at_once else self.request.limits.grace)
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + TICK_SECONDS
        self._see_new_limits()
        order = f"{self.request.folder}/launch/stop.json"
        if os.path.exists(order):
            document = read_json_or_empty(order)
            grace = document.get("grace_seconds", self.request.limits.grace)
            self.stopping.stop(str(document.get("why", "cancel")), grace=float(grace))

    def _see_new_limits(self) -> None:
        """The limits are the one part of the request that may change while the launch lives."""
        mark = _mark_of(self._request_path)
        if mark == self._request_seen:
            return
        self._request_seen = mark
        document = read_json_or_empty(self._request_path)
        if document:
            self.request.limits = Limits(document.get("limits") or {})

    def _hear_last_words(self) -> None:
        """The launcher has ended: its ranks are leaving, or were left behind by a killed launcher."""
        end = time.monotonic() + LAST_WORDS_SECONDS
        while self.members.are_connected() and (time.monotonic() < end or self.stopping.is_waiting()):
            self._step(0.02)
            if not self.members.have_all_ended():
                self.stopping.stop("launcher_lost", grace=0.2)

    def _await_nodes(self) -> None:
        if self.request.is_single_host:
            return
        from .exec_client import await_nodes

        await_nodes(self.request.hosts, self._secret, self.request.limits.start)

    def _own_name(self) -> str:
        return os.environ.get("TRAINING_AGENT_HOST") or os.uname().nodename

    def _on_sigterm(self, *_: object) -> None:
        self._sigterms += 1


def keep_descriptors_to_oneself() -> None:
    """What this process was given (the locks that say that it lives) must not live on in what it starts."""
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    for name in os.listdir(folder):
        try:
            if int(name) > 2:
                os.set_inheritable(int(name), False)
        except (OSError, ValueError):
            continue  # the descriptor of this very listing


def _mark_of(path: str) -> tuple[int, int]:
    """Changes when the file is replaced."""
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)
