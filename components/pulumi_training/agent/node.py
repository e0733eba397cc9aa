"""`agent node`: starts launcher daemons on this machine for whoever knows the run's secret.

It stands in for sshd, so an image needs no ssh and no keys. One forked child serves one connection that has proven
to know the secret; it ends what it started when the client goes away. Bind it to the run's own private network only.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the plain module, without the enums of `signal`
import _socket
import os
import select
import sys
import time

from . import channel
from .launcher import home
from .plainjson import loads
from .script import SIGKILL, SIGTERM, Script, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TERM_SECONDS = 2.0
NO_ORDER = 75
LAUNCHED = b"launched\n"
"""Said to whoever gave the order."""


def serve(
    bind: str,
    port: int,
    request: str | None = None,
    secret_file: str | None = None,
    *,
    takes_orders: bool = False,
) -> int:
    """Serves until SIGTERM, then ends the daemons it started. Port 0 takes the variable's or the default.

    Exit code 2 where there is no secret or the address cannot be had. `request` is accepted for symmetry with
    the other verbs: a node needs nothing from it. `secret_file` has the secret where the environment has not:
    what a container is given there, everybody who may look at the container can read. With `takes_orders` a line
    on standard input says what to launch first, in a process of its own; exit code 75 where that line does not come.
    """
    if secret_file is not None:
        from .alone import read_secret

        try:
            os.environ[channel.SECRET_VARIABLE] = read_secret(secret_file)
        except (OSError, ValueError) as problem:
            sys.stderr.write(f"agent node: {problem}\n")
            return 2
    secret = os.environ.get(channel.SECRET_VARIABLE, "")
    if len(secret) < 16:
        sys.stderr.write(
            f"agent node: {channel.SECRET_VARIABLE} must hold a secret of 16 characters or more\n"
        )
        return 2
    try:
        server = channel.listen(bind, port or channel.node_port())
    except OSError as problem:
        sys.stderr.write(f"agent node: {bind or '*'}:{port or channel.node_port()}: {problem}\n")
        return 2
    launched = 0
    if takes_orders:
        try:
            launched = _launch_as_ordered(server, secret_file)
        except (ValueError, KeyError):
            sys.stderr.write("agent node: nobody ordered a launch\n")
            return NO_ORDER
    from . import daemon_line  # noqa: F401 - loaded for all children, and only now: the launch is under way
    from .door import Door

    children: set[int] = set()
    ended: list[int] = []
    _signal.signal(_signal.SIGTERM, lambda *_: ended.append(1))
    _signal.signal(_signal.SIGINT, lambda *_: ended.append(1))
    door = Door(server, secret)
    while not ended:
        for fd in door.wait(0.5):
            admitted = door.hear(fd)
            if admitted is None:
                continue
            line, order, _ = admitted
            pid = os.fork()
            if pid == 0:
                door.close()
                _serve_one_and_exit(line, order)
            children.add(pid)
            line.close()
        children -= {pid for pid in children if os.waitpid(pid, os.WNOHANG)[0]}
        if launched and os.waitpid(launched, os.WNOHANG)[0]:
            launched = 0
    for pid in children:
        os.kill(pid, SIGTERM)
    for pid in children:
        os.waitpid(pid, 0)
    return 0


def _launch_as_ordered(server: _socket.socket, secret_file: str | None) -> int:
    """The pid of the `agent launch` that was ordered. Raises ValueError or KeyError where nothing was."""
    order = loads(sys.stdin.readline())
    request, variables = str(order["launch"]), dict(order["environment"])
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            server.close()
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            _call_oneself("agent launch")
            os.environ.update(variables)
            from .alone import launch

            code = launch(request, secret_file)
        finally:
            os._exit(code)
    os.write(1, LAUNCHED)
    return pid


def _call_oneself(name: str) -> None:
    """What `top` and `ps -o comm` show; the command line stays the one of the process that forked."""
    try:
        with open("/proc/self/comm", "w") as stream:  # noqa: PTH123
            stream.write(name)
    except OSError:
        return


def _serve_one_and_exit(line: channel.Channel, order: dict[str, Any]) -> None:
    code = 1
    try:
        if order.get("t") == "ping":
            line.send({"host": os.uname().nodename})
        elif order.get("t") == "exec":
            _run_daemon(line, order)
        code = 0
    except channel.ChannelClosed:
        code = 1  # nobody hears it any more
    finally:
        os._exit(code)


def _run_daemon(line: channel.Channel, order: dict[str, Any]) -> None:
    from .daemon_line import read_daemon_line

    try:
        argv, variables = read_daemon_line(str(order["line"]), os.environ)
    except (ValueError, KeyError) as problem:
        line.send({"err": f"agent node: {problem}\n"})
        line.send({"exit": 126})
        return
    environment = {"HOME": home(), **os.environ, **variables}
    output, tell = os.pipe()
    try:
        daemon = start(argv, environment, "/", tell, dies_with_parent=True)
    except (OSError, ValueError) as problem:
        line.send({"err": f"agent node: {argv[0]}: {problem}\n"})
        line.send({"exit": 127})
        return
    finally:
        os.close(tell)
    asked_to_end: list[int] = []
    _signal.signal(_signal.SIGTERM, lambda *_: asked_to_end.append(1))
    try:
        while not daemon.poll() and not asked_to_end:
            ready = select.select([line, output], [], [], 0.2)[0]
            if line in ready:
                line.receive()  # a client says nothing more: this only notices that it is gone
            if output in ready:
                _relay(output, line)
        while daemon.poll() and select.select([output], [], [], 0)[0] and _relay(output, line):
            continue
        if daemon.poll():
            line.send({"exit": daemon.exit_code if daemon.signal is None else 128 + daemon.signal})
    finally:
        _end(daemon)


def _relay(output: int, line: channel.Channel) -> bool:
    piece = os.read(output, 16384)
    if piece:
        line.send({"err": piece.decode("latin-1")})
        return True
    time.sleep(0.05)  # the daemon closed its output and lives on
    return False


def _end(daemon: Script) -> None:
    """Ends the daemon and its session; its ranks notice that their line is gone and end themselves."""
    end = time.monotonic() + TERM_SECONDS
    daemon.send(SIGTERM)
    while not daemon.poll() and time.monotonic() < end:
        time.sleep(0.02)
    daemon.send(SIGKILL)
    while not daemon.poll() and time.monotonic() < end + 1:
        time.sleep(0.02)
