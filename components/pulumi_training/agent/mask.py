"""Takes secrets out of bytes, also of a stream where one lies across two reads."""

from __future__ import annotations

from .forms import Forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = b"[secret]"


class Masker:
    """Masks a stream piece by piece, every form of a secret; holds back at most twice the longest form."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = Forms(secrets)
        self._held = b""
        self._before = b""
        """The byte before what is held: it tells whether a short secret stands alone."""
        self._covered = 0
        """How much of what is held is the end of a secret whose beginning was masked already."""

    def feed(self, piece: bytes) -> bytes:
        """What can be shown by now; the rest is held until it cannot be part of a secret."""
        data = self._held + piece
        return self._take(data, len(data) - self._forms.begun(data))

    def finish(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._take(self._held, len(self._held))

    def _take(self, data: bytes, cut: int) -> bytes:
        shift = len(self._before)
        spans = [(start - shift, end - shift) for start, end in self._forms.spans(self._before + data)]
        # A longer secret may begin inside of one that the cut divides: decide when more has come.
        cut = max(0, min([cut, *(start for start, end in spans if start < cut < end)]))
        shown = replaced(data[:cut], spans, self._covered)
        reach = max([self._covered, *(end for start, end in spans if start < cut)])
        self._held, self._covered = data[cut:], max(0, reach - cut)
        self._before = (self._before + data[:cut])[-1:]
        return shown


def replaced(data: bytes, spans: list[tuple[int, int]], covered: int = 0) -> bytes:
    """`data` with the mark in place of `spans`, (start, end) in order of their starts; those that overlap are one.

    Its first `covered` bytes are the rest of one whose mark was shown before.
    """
    pieces: list[bytes] = []
    at = covered
    for start, end in spans:
        if start >= len(data):
            break
        if start >= at:
            pieces += (data[at:start], MARK)
        at = max(at, end)
    pieces.append(data[at:])
    return b"".join(pieces)
