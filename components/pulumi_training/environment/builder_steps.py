"""The output of a build, step by step: short lines for the row, and the step that failed."""

from __future__ import annotations

import re
from collections.abc import Callable

from . import uv

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)", re.S)
_VERTEX = re.compile(r"#(\d+) (.*)", re.S)
_MOUNT = re.compile(r"--mount=\S+\s+(?:\\\s*)?")
_STATE = re.compile(r"(DONE|CACHED|CANCELED|ERROR)\b")
_NUMBERED = re.compile(r"\[(?:\S+ +)?(\d+)/(\d+)\] (.*)", re.S)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WIDTH = 100
_KEPT = 400
"""Lines of a step that are remembered."""


class BuildFailed(Exception):
    """A build that failed: the step, and all the lines that step said (the last ones, of a long one)."""

    def __init__(self, message: str, step: str = "", lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.step = step
        self.lines = lines


class ClassicSteps:
    """The texts of the classic builder's stream: pieces of lines, the coloured ones of standard error."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._begun = ""
        self.step = ""
        self.lines: list[str] = []

    def take(self, text: str) -> str:
        """One text of the stream; returns it as it belongs into a log."""
        clean = uv.mask_urls(_COLOUR.sub("", text))
        *whole, self._begun = (self._begun + clean).split("\n")
        for line in whole:
            self._line(line.rstrip())
        return clean

    def failed(self, message: str) -> BuildFailed:
        """The error of the step that ran last."""
        self._line(self._begun.rstrip())
        self._begun = ""
        return BuildFailed(uv.mask_urls(message), self.step, tuple(self.lines))

    def _line(self, line: str) -> None:
        match = _STEP.match(line)
        if match:
            number, count, words = match.groups()
            self.step, self.lines = f"{number}/{count}: {readable(words)}", []
            self._progress(told(number, count, words))
        elif line.strip() and not line.startswith(" ---> "):
            self.lines = [*self.lines[-_KEPT:], line]
            short = uv.progress_of(line)
            if short:
                self._progress(short)


class BuildKitSteps:
    """The lines of `--progress plain`: `#4 [2/5] RUN ...`, `#4 0.51 what it said`, `#4 ERROR: why`."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._names: dict[str, str] = {}
        self._lines: dict[str, list[str]] = {}
        self._failed: tuple[str, str] | None = None
        self._rest: list[str] = []

    def take(self, raw: str) -> None:
        """One line."""
        line = uv.mask_urls(raw.rstrip())
        match = _VERTEX.match(line)
        if not match:
            self._rest = [*self._rest[-_KEPT:], line] if line.strip() else self._rest
            return
        vertex, words = match.groups()
        state = _STATE.match(words)
        if vertex not in self._names:
            self._names[vertex] = readable(words)
            numbered = _NUMBERED.match(words)
            if numbered:
                self._progress(told(*numbered.groups()))
        elif state:
            if state.group(1) == "ERROR" and self._failed is None:
                self._failed = (vertex, words.removeprefix("ERROR:").strip())
        else:
            said = re.sub(r"^\d+\.\d+ ?", "", words)
            self._lines[vertex] = [*self._lines.get(vertex, [])[-_KEPT:], said]
            short = uv.progress_of(said)
            if short:
                self._progress(short)

    def failed(self) -> BuildFailed:
        """The error of the step that failed first; without one, whatever the builder said at the end."""
        if self._failed is None:
            return BuildFailed(
                self._rest[-1] if self._rest else "the builder ended without a word", "", tuple(self._rest)
            )
        vertex, message = self._failed
        return BuildFailed(message, self._names[vertex], tuple(self._lines.get(vertex, ())))


def readable(words: str) -> str:
    """An instruction on one line, without its mounts."""
    return " ".join(_MOUNT.sub("", words).replace("\\\n", " ").split())


def told(number: str, count: str, words: str) -> str:
    """The row's line for a step."""
    text = readable(words)
    return f"Building the image, step {number} of {count}: " + (
        text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
    )
