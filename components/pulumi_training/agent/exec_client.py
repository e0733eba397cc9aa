"""`agent exec HOST COMMAND...`: what a launcher calls in place of ssh; and waiting for all nodes to answer."""

from __future__ import annotations

import os
import sys
import time

from . import channel
from .plainjson import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONNECT_SECONDS = 10.0
TURNED_AWAY_SECONDS = 3.0
AGAIN_SECONDS = 0.2
LOST = 255
"""ssh's own exit code for a connection that failed; launchers know it."""


def run_remote(words: list[str]) -> int:
    """Has `agent node` on HOST start a daemon, passes its output on, and answers its exit code."""
    while words and words[0].startswith("-"):  # options meant for ssh
        words = words[1:]
    if len(words) < 2:
        sys.stderr.write("agent exec: needs a host and a command\n")
        return 2
    host, line = words[0], " ".join(words[1:])
    try:
        answers = _admitted(host, {"t": "exec", "line": line})
        answers.keep_waiting()
        while True:
            for raw in answers.receive():
                answer = loads(raw.decode("utf-8"))
                if "exit" in answer:
                    return int(answer["exit"])
                os.write(2, str(answer.get("err", "")).encode("latin-1", "replace"))
    except channel.ChannelClosed as problem:
        sys.stderr.write(f"agent exec: lost {host}: {problem}\n")
        return LOST


def await_nodes(hosts: list[str], secret: str, seconds: float) -> None:
    """Waits until every node answers. Raises OSError that names those that did not within `seconds`."""
    end = time.monotonic() + seconds
    silent = dict.fromkeys(hosts, "")
    while silent:
        for host in list(silent):
            try:
                _ask(host, {"t": "ping"}, 2.0, secret).close()
                del silent[host]
            except channel.ChannelClosed as problem:
                silent[host] = str(problem)
        if silent and time.monotonic() > end:
            names = "; ".join(f"{host} ({why})" for host, why in silent.items())
            raise OSError(f"no answer within {seconds:g} s from {names}")
        if silent:
            time.sleep(0.1)


def _admitted(host: str, order: dict[str, Any]) -> channel.Channel:
    """The line to a node that has taken the order; who is turned away at a crowded door comes again."""
    end = time.monotonic() + TURNED_AWAY_SECONDS
    while True:
        try:
            return _ask(host, order, CONNECT_SECONDS)
        except channel.ChannelClosed:
            if time.monotonic() > end:
                raise
        time.sleep(AGAIN_SECONDS)


def _ask(host: str, order: dict[str, Any], seconds: float, secret: str | None = None) -> channel.Channel:
    """The line to a node that has taken the order. Raises ChannelClosed where it is turned away."""
    line = channel.connect(f"{host}:{channel.node_port()}", seconds)
    try:
        nonce = line.read_line()
        own = secret if secret is not None else os.environ.get(channel.SECRET_VARIABLE, "")
        line.send_line(channel.prove(own, nonce, order))
        line.read_line()  # `channel.ADMITTED`
    except channel.ChannelClosed:
        line.close()
        raise
    return line
