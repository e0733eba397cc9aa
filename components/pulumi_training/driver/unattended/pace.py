"""How often something is asked: soon again where it changes, seldom where it does not."""

from __future__ import annotations

from dataclasses import dataclass, field

_GROWTH = 1.5
_SHARE = 4.0
"""Pauses for every second that an answer takes: a service is busy with us for a fifth of its time at most."""
_LONGEST_AFTER_TROUBLE = 15.0


@dataclass
class Pace:
    """Pauses in seconds, between `fastest` and `slowest`."""

    fastest: float
    slowest: float
    _pause: float = field(init=False)

    def __post_init__(self) -> None:
        self._pause = self.fastest

    def hurry(self) -> None:
        """Begins again with the shortest pause."""
        self._pause = self.fastest

    def after_answer(self, *, is_new: bool, took: float, least: float = 0.0) -> float:
        """The pause after an answer that brought something new or did not, and took so many seconds."""
        self._pause = self.fastest if is_new else min(self.slowest, self._pause * _GROWTH)
        return max(self._pause, took * _SHARE, least)

    def after_trouble(self) -> float:
        """The pause after no answer: twice the one before, a quarter of a minute at most."""
        self._pause = min(_LONGEST_AFTER_TROUBLE, self._pause * 2)
        return self._pause
