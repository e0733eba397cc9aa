"""The slots of a cluster on this machine: first come, first served, across all processes.

One JSON file for each cluster, changed under a file lock. A ticket belongs to processes of which one must be
alive: the supervisor that queued it, or the attempt itself, as its target can tell. Whoever looks drops the
tickets of the dead, so a crash frees its slots by itself, and there is no moment between the two.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..record.files import locked, write_whole
from ..record.holder import birth_of
from ..spec.document import DamagedDocument, fields_of, fitting, value_or_none
from ..spec.errors import PermanentError, TransientError
from ..spec.outcome import Reason


@dataclass(frozen=True)
class Owner:
    """A process, told from a later one of the same pid by the kernel's mark of its start.

    The mark does not move when the clock is set.
    """

    pid: int
    birth: str

    @classmethod
    def of(cls, pid: int) -> Owner | None:
        """The process of that pid, or None where there is none."""
        birth = birth_of(pid)
        return None if birth is None else cls(pid, birth)

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return birth_of(self.pid) == self.birth


@dataclass(frozen=True)
class Ticket:
    """A place in the queue, or held slots. `gpus` lists GPU numbers of this machine once it holds.

    `folder` is the attempt's: while it lives, the ticket does, whoever queued for it.
    """

    run_id: str
    attempt: int
    slots: int
    gpus_wanted: int
    owners: tuple[Owner, ...]
    folder: str
    entered_at: float
    holds: bool = False
    gpus: tuple[int, ...] = field(default_factory=tuple)

    def is_alive(self, is_live: Callable[[Path], bool]) -> bool:
        """Whether anyone who owns it still runs, or the attempt that it was for."""
        return any(owner.is_alive for owner in self.owners) or is_live(Path(self.folder))

    def is_of(self, run_id: str, attempt: int, folder: Path | None) -> bool:
        """Whether it is an attempt's, in that folder where one is given.

        Copies of a store have one queue, and attempts of one run id and number.
        """
        is_there = folder is None or self.folder == str(folder)
        return is_there and (self.run_id, self.attempt) == (run_id, attempt)

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Ticket:
        """Reads a line of the cluster's file. Raises `DamagedDocument`."""
        owners = fitting({"owners": list[dict[str, Any]]}, document, "a ticket").get("owners", [])
        known = {
            **document,
            "owners": [Owner(**fields_of(Owner, each, "a ticket's owner")) for each in owners],
        }
        return cls(**fields_of(cls, known, "a ticket"))


S = TypeVar("S", bound="Slots")


class Slots:
    """The slots of one cluster: `total` places and the GPUs numbered 0 to `gpus` - 1.

    A target's own kind tells which attempts live.
    """

    def __init__(self, folder: Path, total: int, gpus: int = 0, *, before: Path | None = None) -> None:
        self.file = folder / "queue.json"
        self.total = total
        self.gpus = gpus
        self._before = before / "queue.json" if before is not None else None

    @classmethod
    def of(cls: type[S], compute: Mapping[str, Any], state: Path, store: str = "") -> S:
        """The slots of the cluster that `compute` describes; clusters of one name and store are one.

        `store` is the store's identity, however its path or URL is written. Attempts that began before stores had one
        queue under the path as it is written, which other projects may write too; those of this store hold slots here.
        """
        clusters = state / "clusters"
        nodes = int(compute["maxNodes"])
        before = clusters / cls._name_of(compute, str(compute["store"]))
        return cls(
            clusters / cls._name_of(compute, store) if store else before,
            total=nodes * int(compute["slotsPerNode"]),
            gpus=nodes * int(compute.get("gpusPerNode", 0)),
            before=before if store else None,
        )

    @classmethod
    def _name_of(cls, compute: Mapping[str, object], store: str) -> str:
        identity = f"{store}\0{compute['workspace']}\0{compute['cluster']}{cls.mark_of(compute)}"
        return f"{compute['cluster']}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"

    @classmethod
    def mark_of(cls, compute: Mapping[str, object]) -> str:
        """What tells a cluster from one of the same name on another target, as part of a hashed text."""
        return f"\0{compute['target']}"

    def is_live(self, folder: Path) -> bool:
        """Whether the attempt in a folder runs. A target that gets no answer says yes: no slot is given twice."""
        raise NotImplementedError

    def enter(
        self, run_id: str, attempt: int, slots: int, gpus: int, owner: Owner, folder: Path
    ) -> int | None:
        """The place in the queue (1 is next), or None once the slots are held.

        Raises:
            PermanentError: the cluster is too small, however long one waits; it would only bar others' way.
        """
        if slots > self.total or gpus > self.gpus:
            from ..spec.text import count

            raise PermanentError(
                Reason.LAUNCH_FAILED,
                f"the run needs {count(slots, 'slot')} and {count(gpus, 'GPU')}; the cluster has {self.total} and {self.gpus}",
            )
        with self._tickets() as tickets:
            mine = _find(tickets, run_id, attempt, folder)
            if mine is None:
                mine = Ticket(run_id, attempt, slots, gpus, (owner,), str(folder), time.time())
                tickets.append(mine)
            elif owner not in mine.owners:
                mine = _replace(tickets, mine, owners=(*(o for o in mine.owners if o.is_alive), owner))
            self._admit(tickets, self._held_before(folder))
            waiting = [t for t in tickets if not t.holds]
            for place, ticket in enumerate(waiting, 1):
                if ticket.is_of(run_id, attempt, folder):
                    return place
            return None

    def held(self, run_id: str, attempt: int, folder: Path | None = None) -> Ticket | None:
        """The ticket of an attempt that holds its slots."""
        with self._tickets() as tickets:
            mine = _find(tickets, run_id, attempt, folder)
            return mine if mine is not None and mine.holds else None

    def leave(self, run_id: str, attempt: int, folder: Path | None = None) -> None:
        """Gives back whatever the attempt has here."""
        with self._tickets() as tickets:
            tickets[:] = [t for t in tickets if not t.is_of(run_id, attempt, folder)]

    def tickets(self) -> tuple[Ticket, ...]:
        """Everyone in the queue and everyone who holds, in order of arrival."""
        with self._tickets() as tickets:
            return tuple(tickets)

    def _held_before(self, folder: Path) -> list[Ticket]:
        """The tickets of the queue of before that live and hold slots, of attempts in the same store as `folder`."""
        if self._before is None or not self._before.exists():
            return []
        kept = folder.parents[2]  # <kept>/<run id>/attempts/<number>
        return [
            ticket
            for ticket in self._read(self._before)
            if ticket.holds and Path(ticket.folder).is_relative_to(kept) and ticket.is_alive(self.is_live)
        ]

    def _admit(self, tickets: list[Ticket], others: Sequence[Ticket] = ()) -> None:
        """Gives slots in order of arrival; nobody overtakes, so a wide run is not starved by narrow ones."""
        holding = [*others, *(t for t in tickets if t.holds)]
        free = self.total - sum(t.slots for t in holding)
        idle = [g for g in range(self.gpus) if not any(g in t.gpus for t in holding)]
        for ticket in [t for t in tickets if not t.holds]:
            if ticket.slots > free or ticket.gpus_wanted > len(idle):
                return
            given, idle = tuple(idle[: ticket.gpus_wanted]), idle[ticket.gpus_wanted :]
            _replace(tickets, ticket, holds=True, gpus=given)
            free -= ticket.slots

    @contextmanager
    def _tickets(self) -> Iterator[list[Ticket]]:
        try:
            with locked(self.file.with_name("queue.lock"), timeout=60):
                before = self._read(self.file)
                tickets = [t for t in before if t.is_alive(self.is_live)]
                yield tickets
                if tickets != before:
                    data = json.dumps([asdict(t) for t in tickets]).encode()
                    write_whole(self.file, data, durable=False)
        except TimeoutError as error:
            raise TransientError(str(error)) from error

    def _read(self, file: Path) -> list[Ticket]:
        try:
            lines = value_or_none(file.read_bytes())
        except FileNotFoundError:
            return []
        found = []
        for line in lines if isinstance(lines, list) else []:
            # Cut by a power failure, or garbled: its holder, if it lives on, enters again at its next look.
            with suppress(DamagedDocument):
                found.append(Ticket.from_json(line if isinstance(line, dict) else {}))
        return found


def me() -> Owner:
    """This process."""
    return Owner(os.getpid(), birth_of(os.getpid()) or "")


def _find(tickets: list[Ticket], run_id: str, attempt: int, folder: Path | None) -> Ticket | None:
    return next((t for t in tickets if t.is_of(run_id, attempt, folder)), None)


def _replace(tickets: list[Ticket], old: Ticket, **changes: object) -> Ticket:
    new = Ticket(**{**{n: getattr(old, n) for n in Ticket.__dataclass_fields__}, **changes})
    tickets[tickets.index(old)] = new
    return new
