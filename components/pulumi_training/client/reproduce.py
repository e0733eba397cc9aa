"""A repetition of a run: waited for, and compared with the original by their manifests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..driver.follow import Follower
from ..driver.reproduce import Reproduction
from ..record.documents import AttemptDocument
from ..record.manifest import Manifest


@dataclass(frozen=True)
class Comparison:
    """Whether two runs have the same outputs; `different` names files that differ or are only in one, ten at most."""

    is_same: bool
    files: int
    digest: str
    different: tuple[str, ...] = ()


def follow(again: Reproduction, show: Callable[[str], None]) -> AttemptDocument:
    """Waits for the repetition's end; each new line is shown once."""
    shown: list[str] = []

    def tell(line: str) -> None:
        if line not in shown[-1:]:
            shown.append(line)
            show(line)

    async def blocking(work: Callable[..., Any], *arguments: object) -> Any:
        return await asyncio.to_thread(work, *arguments)

    follower = Follower(again.record, again.base, again.secrets, tell, lambda: False, blocking)
    return asyncio.run(follower.follow(again.attempt.number))


def compare(again: Reproduction) -> Comparison:
    """The manifests of the original and of the repetition, held against each other."""
    before, after = (
        _files(again.original.manifest()),
        _files(again.record.attempt(again.attempt.number).manifest()),
    )
    different = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    manifest = again.record.attempt(again.attempt.number).manifest()
    return Comparison(not different, len(after), manifest.digest if manifest else "", tuple(different[:10]))


def _files(manifest: Manifest | None) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in manifest.entries} if manifest else {}
