"""Whose state has a run: a document for each Pulumi backend that took it in, beside the run's own.

`runs/<run id>/claims/<digest of the backend>.json`. Stacks of one name in two backends over one store have one run:
each is known, and what one of them gives up stays while another has it. One document for each, so that two machines
never write the same one at once.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..spec.errors import TrainingError, TransientError
from .backend import Backend
from .documents import decode, encode
from .record import Record
from .store import NotFound

_NAME = re.compile(r"^([0-9a-f]{20})\.json$")
_FILE = "file://"


@dataclass(frozen=True)
class Claim:
    """A backend's word that the state of a stack of its has the run, up to attempt `attempt`.

    `url` and `host` say to a person where that is, without credentials; `claimed_at` is in seconds since 1970 (UTC).
    `is_damaged` says that the document cannot be read: it claims every attempt, for nobody knows.
    """

    backend: str
    attempt: int = 0
    urn: str = ""
    stack: str = ""
    project: str = ""
    url: str = ""
    host: str = ""
    claimed_at: float = 0.0
    is_damaged: bool = False

    @property
    def folder(self) -> Path | None:
        """The folder of a file backend of this machine; None for every other, which cannot be looked into here."""
        if self.host != os.uname().nodename or not self.url.startswith(_FILE):
            return None
        return Path(self.url.removeprefix(_FILE))

    def covers(self, attempt: int) -> bool:
        """Whether the attempt is among those that are claimed."""
        return self.is_damaged or attempt <= self.attempt

    def __str__(self) -> str:
        if self.is_damaged:
            return f"a backend whose claim, claims/{self.backend}.json of the run, is damaged"
        stack = f"stack {self.stack} of project {self.project} in " if self.stack else ""
        return f"{stack}backend {self.url or self.backend}{f' on {self.host}' if self.host else ''}"

    def to_json(self) -> dict[str, Any]:
        """A JSON object of what is kept."""
        return {name: value for name, value in asdict(self).items() if name != "is_damaged"}


def claim(record: Record, backend: Backend, owner: dict[str, str], attempt: int) -> None:
    """Says that a stack of `backend` has the run up to `attempt`; `owner` has the keys urn, stack and project."""
    is_local = backend.folder is not None
    mine = Claim(
        backend.digest,
        attempt,
        owner.get("urn", ""),
        owner.get("stack", ""),
        owner.get("project", ""),
        backend.url,
        os.uname().nodename if is_local else "",
    )
    found = claim_of(record, backend.digest)
    if found is not None and replace(found, claimed_at=0.0) == mine:
        return
    document = replace(mine, claimed_at=time.time()).to_json()
    record.store.write(_key(record, backend.digest), encode(document), durable=False)


def claim_of(record: Record, digest: str) -> Claim | None:
    """The claim of one backend, None where it has none."""
    key = _key(record, digest)
    try:
        return _read(decode(record.store.read(key), key), digest)
    except NotFound:
        return None
    except TransientError:
        raise
    except TrainingError:
        return Claim(digest, is_damaged=True)


def claims(record: Record) -> list[Claim]:
    """Every claim to the run, sorted by backend; none for a run that began before there were any."""
    found = []
    for name in record.store.children(f"{record.prefix}/claims"):
        match = _NAME.match(name)
        each = claim_of(record, match[1]) if match else None
        if each is not None:
            found.append(each)
    return found


def release(record: Record, digest: str) -> None:
    """Takes a backend's claim away; none there is no error."""
    record.store.delete(_key(record, digest))


def _key(record: Record, digest: str) -> str:
    return f"{record.prefix}/claims/{digest}.json"


def _read(document: dict[str, Any], digest: str) -> Claim:
    kinds = {f.name: type(f.default) for f in fields(Claim) if f.name not in ("backend", "is_damaged")}
    given = {name: document[name] for name in kinds if name in document}
    if "attempt" not in given or not all(_is(given[name], kinds[name]) for name in given):
        return Claim(digest, is_damaged=True)
    return Claim(digest, **given)


def _is(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)
