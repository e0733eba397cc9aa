"""The process of a board: TensorBoard over one folder, and a thread that brings the runs' news into it.

It reads its order from standard input and answers with one line. The end of standard input, or of the process
that gave the order, ends it, so that nothing stays behind a notebook that was killed.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..record.record import Record
from ..record.store import Store
from ..spec.errors import TrainingError
from .board_mirror import Mirror
from .submission import Submission

_LOOK_SECONDS = 0.5
_RELOAD_SECONDS = 1


def main() -> None:
    """Serves until nobody listens any more."""
    order = json.loads(sys.stdin.buffer.readline())
    root = Path(order["root"])
    try:
        mirrors = [_mirror(root, run) for run in order["runs"]]
        for mirror in mirrors:
            _bring(mirror)
        answer = {"url": _serve(root, order["port"])}
    except TrainingError as error:
        answer = {"error": error.message}
    print(json.dumps(answer), flush=True)
    if "url" in answer:
        threading.Thread(target=_keep_up, args=(mirrors,), name="mirror", daemon=True).start()
        _wait_for_the_end(int(order["parent"]))
    shutil.rmtree(order["scratch"], ignore_errors=True)
    os._exit(0)  # threads of the server hold up a plain exit


def _mirror(root: Path, run: Mapping[str, Any]) -> Mirror:
    record = Record(Store.open(run["store"]), run["run_id"])
    submission = Submission(Path(run["submission"])) if run["submission"] else None
    after = int(run["after"])
    return Mirror(
        root / run["name"], record, lambda: 0 if submission is None or submission.is_over() else after
    )


def _serve(root: Path, port: int | None) -> str:
    """Starts TensorBoard in a thread and returns its address.

    Without a port it is TensorBoard's own, or one of those that follow, or any that is free.
    """
    from tensorboard import program

    for choice in ("default", "0") if port is None else (str(port),):
        board = program.TensorBoard()
        board.configure(
            argv=[
                "tensorboard",
                *("--logdir", str(root)),
                *("--port", choice),
                *("--reload_interval", str(_RELOAD_SECONDS)),
                # More than one file of a run may grow: each rank has its own, and so have a script's parts.
                *("--reload_multifile", "true"),
                *("--window_title", "TensorBoard of training runs"),
            ]
        )
        try:
            return str(board.launch())
        except program.TensorBoardServerException as error:
            last = error
    raise TrainingError(_refused(port, last))


def _refused(port: int | None, error: Exception) -> str:
    from tensorboard import program

    if port is not None and isinstance(error, program.TensorBoardPortInUseError):
        return (
            f"port {port} is taken by another program, maybe by another TensorBoard; name another one, or none "
            "for the next that is free"
        )
    return f"TensorBoard cannot be served: {error}"


def _keep_up(mirrors: list[Mirror]) -> None:
    rest = threading.Event()
    while mirrors:
        rest.wait(_LOOK_SECONDS)
        for mirror in mirrors:
            _bring(mirror)


def _bring(mirror: Mirror) -> None:
    try:
        mirror.turn()
    except Exception:  # noqa: BLE001 - a store that does not answer now may at the next turn; the others go on in any case
        traceback.print_exc()


def _wait_for_the_end(parent: int) -> None:
    """Returns when standard input ends or the parent is gone: somebody else may hold the pipe's other end."""
    while os.getppid() == parent:
        if select.select([0], [], [], 1.0)[0] and not os.read(0, 4096):
            return
