"""What a supervisor does in its own process: takes its order, drives the run, tells MLflow the rest."""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ..record.record import Record
from ..record.store import Store
from ..spec.errors import TrainingError, mask
from ..targets import catalog
from .drive import drive
from .last_word import LAST_WORD

if TYPE_CHECKING:
    from ..tracking.tracker import Tracker


class Masked(io.TextIOBase):
    """A stream of text that shows no secret."""

    def __init__(self, stream: TextIO, secrets: Iterable[str]) -> None:
        self._stream, self._secrets = stream, tuple(secrets)

    def write(self, text: str) -> int:
        """Writes what may be seen of `text`; libraries and tracebacks write whole lines."""
        self._stream.write(mask(text, self._secrets))
        return len(text)

    def flush(self) -> None:
        """Hands on what was written."""
        self._stream.flush()

    def fileno(self) -> int:
        """The file below: what writes there itself is not masked."""
        return self._stream.fileno()


def main(text: bytes | None = None) -> None:
    """Drives one run to its end; where the order was not read yet, it comes by standard input."""
    if text is None and len(sys.argv) > 3:
        catalog.get(sys.argv[3])
    os.dup2(2, 1)  # loaded: whoever started this process sees its end of the pipe closed
    if text is None:
        text = sys.stdin.buffer.read()
    if not text:
        return  # nothing is to be done after all
    order = json.loads(text)
    secrets: dict[str, str] = order["secrets"]
    sys.stderr = Masked(
        sys.stderr, secrets.values()
    )  # what libraries and a last traceback say is kept beside the run
    record = Record(Store.open(order["store"]), order["run_id"], secrets=tuple(secrets.values()))
    if secrets:
        from .track import use_credentials

        use_credentials(secrets)
    trackers: list[Tracker] = []
    try:
        drive(record, order["attempt"], Path(order["base"]), secrets, trackers, order["behind"])
        gave_up = ""
    except TrainingError as error:
        gave_up = error.message
    except (ImportError, SyntaxError) as error:
        traceback.print_exc()
        gave_up = f"the code of this process was changed or taken away under it: {error}"
    from .track import finish, make_up

    for tracker in trackers:
        finish(tracker)
    if gave_up:
        sys.stderr.write(f"{LAST_WORD}{' '.join(gave_up.split())}\n")
        return
    make_up(record)
