"""What can be seen of attempts: answered from their folders, which the nodes' streams keep up to date."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...agent.beneath import read_beneath
from ...spec.errors import TransientError
from ...spec.outcome import Status
from ..base import Handle, Observation, Watch
from .follow import follow, let_go
from .ranks import Conclusion, concluded


class DockerWatch(Watch):
    """Looks at attempts of any daemon; a look at a live one costs a question a second."""

    def __init__(self) -> None:
        self._folders: set[str] = set()

    def observe(self, handle: Handle) -> Observation:
        """See `Watch.observe`.

        An attempt whose agent died without a last word is Failed and has no facts of its launch. One of which
        no launch was begun is NotStarted, whatever lies around of it.
        """
        conclusion = Conclusion.read(Path(handle.folder))
        if conclusion is not None:
            let_go(handle.folder)
            return concluded(Path(handle.folder), conclusion)
        followed = follow(handle)
        if followed is None:
            return Observation(Status.NOT_STARTED)
        self._folders.add(handle.folder)
        seen = followed.look()
        if seen.status.is_terminal or seen.status is Status.NOT_STARTED:
            let_go(handle.folder)
        return seen

    def read_log(self, handle: Handle, rank: int, start: int, limit: int = 1 << 20) -> bytes:
        """See `Watch.read_log`."""
        with suppress(TransientError):  # what has come is here
            self.observe(handle)  # keeps the stream going
        try:
            with read_beneath(handle.folder, f"logs/std/rank-{rank}.log") as stream:
                stream.seek(start)
                return stream.read(limit)
        except OSError:
            return b""

    def close(self) -> None:
        """See `Watch.close`."""
        for folder in self._folders:
            let_go(folder)
