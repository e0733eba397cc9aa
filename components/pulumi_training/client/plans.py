"""Plans: the exact request of a job, as its last preview made it, or as its record keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..record.staging import state_folder
from ..record.store import Store
from ..spec.document import object_or_none
from ..spec.errors import TrainingError
from .runs import AmbiguousRun, RunNotFound, find


@dataclass(frozen=True)
class KeptPlan:
    """A plan with where it came from. `made_at` is in seconds since 1970 (UTC); `is_from_record` if it was sent.

    `plan` has `target`, `run_id`, `attempt`, `request`, `slots` and `gpus`, as the target's plan does.
    """

    run_id: str
    job: str
    urn: str
    store: str
    made_at: float
    plan: dict[str, Any] = field(repr=False)
    is_from_record: bool = False

    @property
    def request(self) -> dict[str, Any]:
        """The request itself."""
        request: dict[str, Any] = self.plan.get("request") or {}
        return request

    def to_json(self) -> dict[str, Any]:
        """A JSON object with the plan as it is kept."""
        return {"urn": self.urn, "store": self.store, "plan": self.plan}


def plans() -> list[KeptPlan]:
    """The newest plan of each run that previews made on this machine, newest first; damaged files are left out."""
    found = [_read(path) for path in _folder().glob("*.json")]
    newest: dict[tuple[str, str], KeptPlan] = {}
    for plan in sorted((plan for plan in found if plan), key=lambda plan: plan.made_at, reverse=True):
        newest.setdefault((plan.run_id, plan.store), plan)
    return list(newest.values())


def find_plan(text: str, store: str | None = None) -> KeptPlan:
    """The plan of a run id, a job's name (its newest) or a unique beginning; else the one a record keeps.

    With a `store`, that of a run in it.

    Raises:
        RunNotFound: neither a preview nor a run of that name left one.
        AmbiguousRun: it begins several ids, or runs of two stores have that id.
    """
    wanted = Store.open(store).display if store else None
    kept = [plan for plan in plans() if wanted in (None, plan.store)]
    for matches in (
        [plan for plan in kept if plan.run_id == text],
        [plan for plan in kept if plan.job == text],
        [plan for plan in kept if plan.run_id.startswith(text)],
    ):
        stores = sorted({plan.store for plan in matches})
        if len(stores) > 1 and len({plan.run_id for plan in matches}) == 1 and matches[0].job != text:
            raise AmbiguousRun(f"plans of {text} were made in {', '.join(stores)}; name one with --store")
        if len({plan.run_id for plan in matches}) > 1 and matches[0].job != text:
            ids = ", ".join(sorted({plan.run_id for plan in matches})[:8])
            raise AmbiguousRun(f"{text!r} begins several plans; write more of one: {ids}")
        if matches:
            return matches[0]
    return _from_record(text, store)


def _from_record(text: str, store: str | None) -> KeptPlan:
    try:
        found = find(text, store)
    except RunNotFound as error:
        raise RunNotFound(
            f"No preview on this machine made a plan of {text!r} (`pulumi preview` makes one), and: {error.message}"
        ) from error
    for number in reversed(found.record.attempts()):
        document = found.record.attempt(number).document()
        if document.plan:
            return KeptPlan(
                run_id=found.run.run_id,
                job=found.run.name,
                urn=found.run.owner.get("urn", ""),
                store=found.record.store.display,
                made_at=document.created_at,
                plan=document.plan,
                is_from_record=True,
            )
    raise RunNotFound(f"{found.run.run_id} was never planned: it ended, or stands, before that")


def _read(path: Path) -> KeptPlan | None:
    try:
        document = object_or_none(path.read_bytes()) or {}
        urn = str(document["urn"])
        return KeptPlan(
            run_id=str(document["plan"]["run_id"]),
            job=urn.split("::", 3)[-1],
            urn=urn,
            store=str(document["store"]),
            made_at=path.stat().st_mtime,
            plan=dict(document["plan"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _folder() -> Path:
    folder = state_folder() / "plans"
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is a file where a folder is needed; remove it")
    return folder
