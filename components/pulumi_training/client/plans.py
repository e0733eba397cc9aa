"""Plans: the exact request of a job, as its last preview made it, or as its record keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..record.staging import state_folder
from ..record.store import Store
from ..spec.document import object_or_none
from ..spec.errors import TrainingError
from .find import AmbiguousRun, RunNotFound, elsewhere_note, find, of_one_owner
from .here import Here, Owner, here


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
    note: str = ""
    """Says whose it is where a name was asked for and it is of another project or stack."""

    @property
    def owner(self) -> Owner:
        """The project and the stack of its job."""
        parts = self.urn.removeprefix("urn:pulumi:").split("::")
        return Owner(parts[1], parts[0]) if len(parts) > 2 else Owner("")

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


def is_of_project(plan: KeptPlan, folder: Here) -> bool:
    """Whether a plan is of this folder's project, or of a run in its own store."""
    return (bool(folder.project) and plan.owner.project == folder.project) or _is_in(plan, folder)


def find_plan(text: str, store: str | None = None) -> KeptPlan:
    """The plan of a run id, a job's name (its newest) or a unique beginning; else the one a record keeps.

    A name means this folder's project and stack first, as for `client.find.find`. With a `store`, that of a run in it.

    Raises:
        RunNotFound: neither a preview nor a run of that name left one.
        AmbiguousRun: it begins several ids, several projects or stacks have it, or runs of two stores have that id.
    """
    wanted = Store.open(store).display if store else None
    kept = [plan for plan in plans() if wanted in (None, plan.store)]
    folder = here(has_named_store=store is not None)
    if exact := [plan for plan in kept if plan.run_id == text]:
        return _of_one_store(text, exact)
    if named := [plan for plan in kept if plan.job == text]:
        return _of_job(text, named, folder)
    if begun := [plan for plan in kept if plan.run_id.startswith(text)]:
        ours = [plan for plan in begun if _is_ours(plan, folder)]
        return _of_one_store(text, ours if len({plan.run_id for plan in ours}) == 1 else begun)
    return _from_record(text, store)


def _of_job(text: str, named: list[KeptPlan], folder: Here) -> KeptPlan:
    ours = [plan for plan in named if _is_ours(plan, folder)]
    of_one_owner(text, [(plan.run_id, plan.owner) for plan in ours or named])
    if ours:
        return ours[0]
    found = named[0]
    return replace(found, note=elsewhere_note(text, found.run_id, found.owner, folder))


def _of_one_store(text: str, found: list[KeptPlan]) -> KeptPlan:
    ids, stores = sorted({plan.run_id for plan in found}), sorted({plan.store for plan in found})
    if len(ids) > 1:
        raise AmbiguousRun(f"{text!r} begins several plans; write more of one: {', '.join(ids[:8])}")
    if len(stores) > 1:
        raise AmbiguousRun(f"plans of {text} were made in {', '.join(stores)}; name one with --store")
    return found[0]


def _is_ours(plan: KeptPlan, folder: Here) -> bool:
    if folder.project and plan.owner.project == folder.project:
        return folder.may_own(plan.owner)
    return folder.has_named_store if not folder.project and folder.has_named_store else _is_in(plan, folder)


def _is_in(plan: KeptPlan, folder: Here) -> bool:
    """Whether its store is a folder in this one; a project of its own there is another's."""
    try:
        return folder.has_store(Store.open(plan.store))
    except TrainingError:
        return False


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
                note=found.note,
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
