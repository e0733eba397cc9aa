"""What a file backend keeps of stacks, read and never written: which runs their states have, and who locks them.

Layout and formats are those of pulumi/pkg/backend/diy (3.259): `.pulumi/stacks/<project>/<stack>.json`, in older ones
`.pulumi/stacks/<stack>.json`, compressed as `.json.gz` or `.json.zst`; `.pulumi/locks/.../<stack>/<id>.json`. Secrets in
a state stay encrypted; nothing here needs them.
"""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..spec.errors import TrainingError

RUN_TYPE = "training:index:TrainingJob"
_ENDINGS = (".json", ".json.gz", ".json.zst")
_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_CLOCK_SECONDS = 2.0


@dataclass(frozen=True)
class Holdings:
    """What a state has of ours: ids of runs, and URNs of resources whose creation it was told of and saw no end of."""

    runs: frozenset[str] = frozenset()
    pending: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StackLock:
    """A lock of a stack. `is_alive` is False only where its process is surely gone; `pid` is 0 where it is not said."""

    stack: str
    project: str
    path: Path
    pid: int
    host: str
    is_alive: bool


def holdings(deployment: Mapping[str, Any] | None) -> Holdings:
    """What a deployment (`pulumi stack export`, `checkpoint.latest` of a file) has of ours."""
    found = deployment or {}
    operations = found.get("pending_operations") or []
    creating = [each["resource"] for each in operations if each.get("type") == "creating"]
    there = [
        *(found.get("resources") or []),
        *(each["resource"] for each in operations if each.get("type") != "creating"),
    ]
    return Holdings(
        frozenset(str(each["id"]) for each in there if each.get("type") == RUN_TYPE and each.get("id")),
        frozenset(str(each["urn"]) for each in creating if each.get("type") == RUN_TYPE),
    )


def states(folder: Path) -> Iterator[Holdings]:
    """What the state of each stack has.

    Raises:
        TrainingError: a state cannot be read, so nobody can tell what it has.
    """
    root = folder / ".pulumi" / "stacks"
    try:
        files = sorted(path for path in root.glob("**/*") if path.name.endswith(_ENDINGS) and path.is_file())
        if not files and not (folder / ".pulumi").is_dir() and folder.exists():
            list(folder.iterdir())  # a folder that may not be read has no stacks to be seen either
    except OSError as error:
        raise TrainingError(f"{root} cannot be read: {error.strerror or error}") from error
    for path in files:
        yield _state(path)


def locks(folder: Path) -> list[StackLock]:
    """Every lock of a stack."""
    root = folder / ".pulumi" / "locks"
    return [_lock(path, path.parent.relative_to(root).parts) for path in sorted(root.glob("**/*.json"))]


def _state(path: Path) -> Holdings:
    try:
        document = json.loads(_unpacked(path.read_bytes()))
        return holdings(document["checkpoint"].get("latest"))
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"the state {path} cannot be read: {error or type(error).__name__}") from error


def _unpacked(data: bytes) -> bytes:
    if data.startswith(_GZIP):
        return gzip.decompress(data)
    if data.startswith(_ZSTANDARD):
        import zstandard

        try:
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
    return data


def _lock(path: Path, parts: tuple[str, ...]) -> StackLock:
    stack, project = (parts[-1] if parts else ""), (parts[-2] if len(parts) > 1 else "")
    try:
        document = json.loads(path.read_bytes())
        pid, host = int(document["pid"]), str(document["hostname"])
    except (OSError, ValueError, KeyError, TypeError):
        return StackLock(stack, project, path, 0, "", is_alive=True)
    if not 0 < pid < 2**31:
        return StackLock(stack, project, path, 0, host, is_alive=True)
    alive = host != socket.gethostname() or _is_alive(pid, document.get("timestamp"))
    return StackLock(stack, project, path, pid, host, alive)


def _is_alive(pid: int, since: object) -> bool:
    """Whether process `pid` lives and is the one that was there when the lock was made."""
    import psutil

    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
    try:
        # Nanoseconds are more than older Pythons read.
        made = datetime.fromisoformat(f"{str(since)[:19]}+00:00").timestamp() - _offset(str(since))
    except ValueError:
        return True
    return started <= made + _CLOCK_SECONDS


def _offset(stamp: str) -> float:
    """Seconds that a timestamp's zone is east of UTC."""
    zone = stamp[19:].lstrip(".0123456789")
    if zone in ("", "Z"):
        return 0.0
    found = datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").utcoffset()
    return found.total_seconds() if found else 0.0
