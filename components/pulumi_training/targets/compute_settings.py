"""A cluster's settings held against the model of its target, and what of them has no effect there.

Models are imported where there is something to read; most clusters say nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..spec.errors import Problem, SpecError
from ..spec.text import joined
from . import catalog
from .contract.descriptor import Feature

if TYPE_CHECKING:
    from ..spec.settings import TargetSettings

_IN_COMPUTE = "settings"


def model_of(target: str) -> type[TargetSettings]:
    """The model of a target's settings; one that has no use for any where the target names none.

    Raises:
        SpecError: the target is not here.
    """
    from ..spec.settings import UnlimitedSettings

    named = catalog.describe(target).settings
    model: type[TargetSettings] = catalog.part(named) if named else UnlimitedSettings
    return model


def has_settings(compute: Mapping[str, object]) -> bool:
    """Whether a cluster says anything that a model must read; most say nothing, and need no model."""
    return bool(compute.get(_IN_COMPUTE)) or compute.get(str(compute.get("target"))) is not None


def problems(compute: Mapping[str, object]) -> list[Problem]:
    """Everything wrong with the settings of a cluster of a target that is here."""
    target = str(compute["target"])
    if not has_settings(compute):
        return []
    from ..spec.settings import read_settings

    return read_settings(model_of(target), compute, target)[1]


def unknown(compute: Mapping[str, object], extra: Mapping[str, object]) -> list[str]:
    """The paths of what is in a cluster and this version does not know: a newer one wrote it.

    `extra` is what is in it beside the properties that every cluster has.
    """
    from ..spec.compute import unknown_in
    from ..spec.settings import settings_of

    target = str(compute["target"])
    targets = {target, *catalog.names()}
    found = [f"compute.{name}" for name in extra if name not in targets]
    if _is_here(target) and isinstance(extra.get(target), Mapping):
        found += unknown_in(settings_of(model_of(target), compute, target), f"compute.{target}")
    return found


def credentials(target: str) -> frozenset[str]:
    """The wire names of a target's settings that are secret whatever their values are."""
    from ..spec.settings import credentials_of_model

    return credentials_of_model(model_of(target)) if _is_here(target) else frozenset()


def notes(job: Mapping[str, Any]) -> list[str]:
    """What a job asks for that only tunes a place, and that its target does not have: one line each.

    `job` has wire names, as inputs and records have it.
    """
    compute = job.get("compute") or {}
    target = compute.get("target")
    if not isinstance(target, str) or not _is_here(target):
        return []
    given = list(_tuning(compute, target))
    if job.get("shmSize") and "shmSize" in model_of(target).not_here:
        given.append("shmSize")
    lines = [f"{name}: not on {target}; {_users(name)}" for name in sorted(set(given))]
    if (job.get("environment") or {}).get("imageRepository"):
        lines += notes_of_environment(job["environment"], target, "environment.")
    return lines


def notes_of_environment(env: Mapping[str, object], target: str, prefix: str = "") -> list[str]:
    """As `notes`, of an environment's declaration: what only says where an image is kept."""
    if not env.get("imageRepository") or Feature.IMAGES in catalog.describe(target).features:
        return []
    return [f"{prefix}imageRepository: not on {target}; {_use(catalog.supporting(Feature.IMAGES))}"]


def notes_of_place(settings: Collection[str], target: str) -> list[str]:
    """As `notes`, of settings by wire name that say where an Environment resource is made, as a daemon's address."""
    if not settings or not _is_here(target):
        return []
    from ..spec.settings import names_of

    model = model_of(target)
    known = set(names_of(model)) - model.not_here
    return [f"{name}: not on {target}; {_users(name)}" for name in sorted(settings) if name not in known]


def _is_here(target: str) -> bool:
    try:
        catalog.describe(target)
    except SpecError:
        return False
    return True


def _tuning(compute: Mapping[str, object], target: str) -> list[str]:
    if not has_settings(compute):
        return []
    model = model_of(target)
    if not model.not_here:
        return []
    from ..spec.settings import settings_of

    settings = settings_of(model, compute, target)
    return [name for name in settings.comparable() if name in model.not_here]


def _users(name: str) -> str:
    from ..spec.settings import names_of

    return _use(
        tuple(
            each
            for each in catalog.names()
            if name in set(names_of(model_of(each))) - model_of(each).not_here
        )
    )


def _use(targets: tuple[str, ...]) -> str:
    return (
        f"{joined(targets)} {'use' if len(targets) > 1 else 'uses'} it"
        if targets
        else "no target of this version uses it"
    )
