"""The ways in which a secret is written by programs that never meant to show it: JSON, repr, URLs, base64, lines.

Used wherever secrets are taken out of a text: of a script's output as it streams (`agent.mask`), and of messages
and records (`spec.errors.mask`), which is why it alone of this package is imported by others.
"""

from __future__ import annotations

import binascii
import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORT_BYTES = 4
"""A secret of fewer bytes is masked where it stands alone: inside of words it tells nothing, and a log in which
every `a` is gone is none."""
SHORT_LINE_BYTES = 8
"""A line of a secret that has fewer bytes is likely to be an ordinary word; it is masked where it stands alone."""
MOST_PARTS = 4096
"""Lines of one secret that are known by themselves, the longest ones: a variable has room for about as many."""
_COLUMNS = (64, 76)
"""Where base64 is broken into lines: PEM and MIME."""
_HEAD = 4
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
_SAFE = (b"", b"/", b"!*'()", b"!$&'()*+,;=:@/?", b"!$&'()*+,;=:@/?#")
"""What is left as it is by Python's quote and quote_plus, JavaScript's encodeURIComponent, paths, and whole URLs."""
_WORD = re.compile(rb"[0-9A-Za-z_\x80-\xff]")
_NO_END = rb"""[^\s"'`=:,;()\[\]{}<>]"""


class Forms:
    """Every form of some secrets, as bytes that are looked for in bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        anywhere: set[bytes] = set()
        alone: set[bytes] = set()
        for secret in set(secrets):
            for form, stands_alone in _forms(secret):
                (alone if stands_alone else anywhere).add(form)
        self._anywhere = sorted(anywhere, key=len, reverse=True)
        self._alone = sorted(alone - anywhere, key=len, reverse=True)
        self._words = re.compile(b"|".join(map(_delimited, self._alone)) or b"(?!)")
        self.longest = max(map(len, (*self._anywhere, *self._alone)), default=0)
        self._has_line_end = any(b"\n" in form for form in (*self._anywhere, *self._alone))
        self._ends: set[bytes] = set()
        self._heads: dict[bytes, list[tuple[bytes, int]]] = {}
        self._heads_anywhere: dict[bytes, list[bytes]] = {}
        for form in self._anywhere:
            self._heads_anywhere.setdefault(form[:_HEAD], []).append(form)
        for forms, added in ((self._anywhere, 0), (self._alone, 1)):
            for form in forms:
                # What stands alone is told by the byte that follows it, so all of it counts as begun.
                self._ends.update(form[:n] for n in range(1, min(_HEAD, len(form) + added)))
                if len(form) + added > _HEAD:
                    self._heads.setdefault(form[:_HEAD], []).append((form, len(form) + added))

    def spans(self, data: bytes, *, alone: bool = True) -> list[tuple[int, int]]:
        """Where forms stand in `data`, as (start, end), sorted; they may overlap.

        Without `alone`, those are left out that count only where they stand alone.
        """
        # A look at every byte costs the same for any number of forms; a search for one form, a 500th of it and a bit.
        looks = len(self._anywhere) * (len(data) + 200) > 500 * len(data)
        found = self._found_by_look(data) if looks else self._found_by_search(data)
        if alone and self._alone:
            found += [match.span() for match in self._words.finditer(data)]
        return sorted(found)

    def begun(self, data: bytes) -> int:
        """Length of the longest end of `data` that what follows could complete to a form; 0 where there is none."""
        if data.endswith(b"\n") and not self._has_line_end:
            return 0
        longest = next((n for n in range(min(_HEAD - 1, len(data)), 0, -1) if data[-n:] in self._ends), 0)
        tail = data[-self.longest :]
        if len(tail) < len(self._heads):
            starts = (
                (start, self._heads.get(tail[start : start + _HEAD]))
                for start in range(len(tail) - _HEAD + 1)
            )
            return next(
                (len(tail) - start for start, forms in starts if forms and _begins(tail[start:], forms)),
                longest,
            )
        for head, forms in self._heads.items():
            start = tail.find(head)
            while 0 <= start < len(tail) - longest:
                if _begins(tail[start:], forms):
                    longest = len(tail) - start
                    break
                start = tail.find(head, start + 1)
        return longest

    def _found_by_search(self, data: bytes) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for form in self._anywhere:
            start = data.find(form)
            while start >= 0:
                found.append((start, start + len(form)))
                start = data.find(form, start + 1)
        return found

    def _found_by_look(self, data: bytes) -> list[tuple[int, int]]:
        heads, found = self._heads_anywhere, []
        for start in range(len(data) - _HEAD + 1):
            for form in heads.get(data[start : start + _HEAD], ()):
                if data.startswith(form, start):
                    found.append((start, start + len(form)))
        return found


def _begins(end: bytes, forms: list[tuple[bytes, int]]) -> bool:
    """Whether `end` begins one of `forms`, each with the length that it must not have."""
    return any(len(end) < limit and form.startswith(end) for form, limit in forms)


def as_bytes(text: str) -> bytes:
    """`text` in UTF-8, as it comes from an environment or out of JSON."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _forms(secret: str) -> Iterator[tuple[bytes, bool]]:
    """The forms of one secret, each with whether it counts only where it stands alone."""
    for text in dict.fromkeys((secret, secret.strip())):
        if not text.strip():
            continue
        raw = as_bytes(text)
        is_short = len(raw) < SHORT_BYTES
        for form in _written(text):
            yield form, is_short
        for form in _base64_whole(raw) if is_short else (*_base64(raw), raw.hex().encode(), _upper_hex(raw)):
            yield form, is_short
    for line in _parts(secret.splitlines()):
        if any(map(str.isalnum, line)):
            for form in _written(line):
                yield form, len(as_bytes(line)) < SHORT_LINE_BYTES


def _parts(lines: Iterable[str]) -> list[str]:
    """The lines of a text that has several, the longest ones where they are too many."""
    distinct = {line.strip() for line in lines} - {""}
    return sorted(distinct, key=len, reverse=True)[:MOST_PARTS] if len(distinct) > 1 else []


def _written(text: str) -> set[bytes]:
    """`text` as it is, and as JSON, repr, shells, HTML and URLs have it."""
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    escaped |= {_without_markup(form) for form in escaped} | {form.replace("/", "\\/") for form in escaped}
    escaped |= {re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda code: code[0].upper(), form) for form in escaped}
    for form in (repr(text)[1:-1], ascii(text)[1:-1], repr(as_bytes(text))[2:-1]):
        bare = form.replace("\\'", "'")
        escaped |= {form, bare, bare.replace("'", "\\'")}
    escaped |= {
        json.dumps(form, ensure_ascii=False)[1:-1] for form in escaped
    }  # a log line that is JSON holds JSON
    quoted = {text.replace("'", with_) for with_ in ("'\\''", "'\"'\"'", "''")}
    quoted.add(re.sub(r"([^\w@%+=:,./-])", r"\\\1", text, flags=re.ASCII))
    markup = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for quotes in ("&#x27;", "&#39;", "'"):
        quoted |= {markup.replace("'", quotes), markup.replace("'", quotes).replace('"', "&quot;")}
    return {as_bytes(form) for form in (text, *escaped, *quoted)} | _percent(as_bytes(text))


def _without_markup(text: str) -> str:
    """JSON as Go and Rails write it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _percent(raw: bytes) -> set[bytes]:
    found = set()
    for safe in _SAFE:
        for pattern in ("%%%02X", "%%%02x"):
            form = b"".join(
                bytes((byte,)) if byte in _UNRESERVED or byte in safe else (pattern % byte).encode()
                for byte in raw
            )
            found |= {form, form.replace(b"%20", b"+")}
    return found


def _base64(raw: bytes) -> set[bytes]:
    """`raw` in base64 wherever it begins in a longer text: only characters that it alone decides, and its own end."""
    found = set()
    for before, start in ((0, 0), (1, 2), (2, 3)):
        encoded = binascii.b2a_base64(b"\0" * before + raw, newline=False)[start:]
        inner = encoded[: (before + len(raw)) * 8 // 6 - start]
        found |= {encoded, encoded.rstrip(b"="), inner}
        if before == 0:
            found |= _broken(encoded)
    return found | set(map(_url_safe, found))


def _base64_whole(raw: bytes) -> set[bytes]:
    encoded = binascii.b2a_base64(raw, newline=False)
    return {form for whole in (encoded, _url_safe(encoded)) for form in (whole, whole.rstrip(b"="))}


def _broken(encoded: bytes) -> set[bytes]:
    """The lines of base64 that has many; its last line where it is long enough to be told from other text."""
    lines = {
        encoded[at : at + columns]
        for columns in _COLUMNS
        if len(encoded) > columns
        for at in range(0, min(len(encoded), columns * MOST_PARTS), columns)
    }
    return {line for line in lines if len(line) >= SHORT_LINE_BYTES}


def _url_safe(encoded: bytes) -> bytes:
    return encoded.translate(bytes.maketrans(b"+/", b"-_"))


def _upper_hex(raw: bytes) -> bytes:
    return raw.hex().upper().encode()


def _delimited(form: bytes) -> bytes:
    """A pattern for a form that is no part of a word; one that begins or ends with a sign stands between others.

    It looks behind only after its first byte, so that the search can skip to where that one is.
    """
    first, rest = re.escape(form[:1]), re.escape(form[1:])
    before, after = (_WORD.pattern if _WORD.match(end) else _NO_END for end in (form[:1], form[-1:]))
    return first + b"(?<!" + before + first + b")" + rest + b"(?!" + after + b")"
