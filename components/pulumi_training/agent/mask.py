"""Takes secrets out of a stream of bytes, also where one lies across two reads."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST = 4
"""Bytes; shorter values would blank out ordinary text."""
MARK = b"[secret]"


class Masker:
    """Masks a stream piece by piece; holds back at most twice the longest secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        values = {secret.encode("utf-8", "surrogateescape") for secret in secrets}
        self._secrets = sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(value) for value in self._secrets) or b"(?!)")
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """What can be shown by now; the rest is held until it cannot be part of a secret."""
        data = self._held + piece
        cut = len(data) - self._suspicious(data)
        for match in self._pattern.finditer(data):
            if match.start() < cut < match.end():
                cut = match.start()  # a longer secret may begin in here: decide when more has come
                break
        self._held = data[cut:]
        return self._pattern.sub(MARK, data[:cut])

    def finish(self) -> bytes:
        """The rest, at the end of the stream."""
        rest, self._held = self._held, b""
        return self._pattern.sub(MARK, rest)

    def _suspicious(self, data: bytes) -> int:
        """Length of the longest end of `data` that begins a secret without being all of it."""
        for length in range(min(len(data), len(self._secrets[0]) - 1 if self._secrets else 0), 0, -1):
            end = data[-length:]
            if any(len(secret) > length and secret.startswith(end) for secret in self._secrets):
                return length
        return 0
