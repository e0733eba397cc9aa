"""What is remembered of a source tree, so that an unchanged file costs one `stat` and no read.

An entry is believed only while size, mtime, ctime and inode are what they were. As in git ("racy git") that
is not enough for a file whose stamp is so young that another write may carry the same stamp: such an entry is
kept without its stamps and is read again the next time.

One file per source root, named by the hash of its absolute path: fixed records by `struct`, then the names.
For 20,000 files it loads in 16 ms; JSON takes 30 to 55 ms, SQLite 30 to 65 ms (2 cores, Python 3.11).
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .caches import cache_folder, write_atomic

FINE_SLACK_NS = 50_000_000
"""Kernels stamp files with a coarse clock, up to 10 ms late; five times that is safe."""
COARSE_SLACK_NS = 2_500_000_000
"""File systems that count whole seconds (FAT: two)."""

_MAGIC = b"training tree cache 2\n"
_HEAD = struct.Struct("<III32s")
_RECORD = struct.Struct("<qqqQI32s")
_SECOND_NS = 1_000_000_000

Stamps = tuple[int, int, int, int, int]
"""size, mtime_ns, ctime_ns, inode, mode: what tells a changed file without reading it."""
Known = tuple[int, int, int, int, int, bytes]
"""The stamps of a file, then the sha256 of its content. Plain tuples: there are tens of thousands."""


@dataclass
class Snapshot:
    """What one scan of a root found: known files by relative path, and the decisions of the ignore rules.

    `left_out` holds paths that the patterns leave out, `folders` those they let in; folders end in `/`.
    """

    rules_digest: str
    files: dict[str, Known] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class StatCache:
    """A folder with one cache file per source root. Losing it costs time, nothing else."""

    folder: Path

    @classmethod
    def default(cls) -> StatCache:
        """The one in the user's cache folder, or in `TRAINING_CACHE_DIR`."""
        return cls(cache_folder("trees"))

    def load(self, root: str) -> Snapshot | None:
        """What is known of `root` (absolute), or None where nothing is, or nothing that can be read."""
        try:
            content = self.path(root).read_bytes()
        except OSError:
            return None
        return _decode(content)

    def save(self, root: str, snapshot: Snapshot) -> None:
        """Remembers `snapshot`; of two writers the last one wins, and both leave a whole file."""
        # A cache that cannot be written (read-only home, full disk) must not stop a run.
        with suppress(OSError):
            write_atomic(self.path(root), _encode(snapshot))

    def path(self, root: str) -> Path:
        """The cache file of `root`."""
        return self.folder / hashlib.sha256(os.fsencode(root)).hexdigest()[:32]


def stamps(stat: os.stat_result) -> Stamps:
    """What of `stat` is compared."""
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_mode)


def known(seen: Stamps, sha256: bytes, scanned_at_ns: int) -> Known:
    """The entry for a file whose content was read after `scanned_at_ns` and had the stamps `seen`.

    Too young a file gets stamps that match nothing.
    """
    _, mtime, ctime, _, mode = seen
    coarse = mtime % _SECOND_NS == 0 and ctime % _SECOND_NS == 0
    if max(mtime, ctime) > scanned_at_ns - (COARSE_SLACK_NS if coarse else FINE_SLACK_NS):
        return (-1, 0, 0, 0, mode, sha256)
    return (*seen, sha256)


def _encode(snapshot: Snapshot) -> bytes:
    pack = _RECORD.pack
    records = b"".join([pack(*entry) for entry in snapshot.files.values()])
    names = "\0".join((*snapshot.files, *sorted(snapshot.left_out), *sorted(snapshot.folders)))
    body = b"".join(
        (
            _HEAD.pack(
                len(snapshot.files),
                len(snapshot.left_out),
                len(snapshot.folders),
                bytes.fromhex(snapshot.rules_digest),
            ),
            records,
            names.encode("utf-8", "surrogateescape"),
        )
    )
    return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def _decode(content: bytes) -> Snapshot | None:
    start = len(_MAGIC) + 4
    body = memoryview(content)[start:]
    if (
        not content.startswith(_MAGIC)
        or zlib.crc32(body).to_bytes(4, "little") != content[len(_MAGIC) : start]
    ):
        return None
    try:
        count, outs, folders, rules = _HEAD.unpack_from(body)
        end = _HEAD.size + count * _RECORD.size
        text = str(body[end:], "utf-8", "surrogateescape")
        names = text.split("\0") if text else []
        records = _RECORD.iter_unpack(body[_HEAD.size : end])
        if len(names) != count + outs + folders:
            return None
        return Snapshot(
            rules_digest=rules.hex(),
            files=dict(zip(names, records, strict=False)),
            left_out=set(names[count : count + outs]),
            folders=set(names[count + outs :]),
        )
    except (struct.error, UnicodeError):
        return None
