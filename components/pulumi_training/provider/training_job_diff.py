"""Diff of a training job: what makes another run, what changes in place, and why, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from ..identity import manifests
from ..identity.rules import changes as changes_of
from ..identity.rules import is_path_aside, known
from ..identity.why import Change, explain
from ..spec.errors import mask
from ..spec.fields import Identity
from ..spec.partition import names_of
from .handler import ChangeKind, DiffAnswer, DiffCall, PropertyChange
from .secrets import with_secrets_marked
from .wire import UNKNOWN, contains_secret, contains_unknown, unwrap_secrets

_REPLACING = names_of(Identity.KEY) | {"runKey", "name", "environmentFiles"}
_IN_PLACE = names_of(Identity.INPLACE)
_PRICE = "compute.pricePerNodeHour"
_IDENTITY_OF_COMPUTE = ("target", "workspace")
_HIDDEN = frozenset(
    {"secretEnvironmentVariables", "environment.imageRegistry.password", "environment.buildSecrets"}
)


def diff(call: DiffCall) -> tuple[DiffAnswer, list[str]]:
    """The changes and their words. Inputs are compared with inputs, never with outputs.

    Where the new run key is unknown the job may be replaced, and the diff says so.
    """
    old, new = _named(call, *map(_comparable, (call.old_inputs, call.inputs)))
    secret = {path for inputs in (call.old_inputs, call.inputs) for path in _secret_paths(inputs)}
    if (
        "compute" in secret
    ):  # of a cluster that is secret as a whole, what makes another run is told all the same
        secret = secret - {"compute"} | {f"compute.{name}" for name in ("store", "trackingUri", "settings")}
    changes = [change for change in _explained(old, new, _HIDDEN | secret) if _counts(change)]
    if _has_newer_rules(call):  # what only newer rules count was not changed by anybody
        changes = [change for change in changes if _top(change.path) != "environmentFiles"]
    answered = [_property_change(change) for change in changes]
    if new.get("runKey") is not UNKNOWN and old.get("runKey") == new.get("runKey"):
        # Equal keys are equal results, however the inputs are written: `epochs: 5.0` is no other run than `5`.
        answered = [a for a in answered if not a.replace or _moves(a.path)]
    elif not any(a.replace for a in answered):
        answered.append(PropertyChange("runKey", ChangeKind.UPDATE, replace=True))
    kept = {a.path for a in answered}
    words = [mask(change.message, call.secrets) for change in changes if change.path in kept]
    if any(a.replace for a in answered):
        words += _changed_rules(call)
    if contains_unknown(call.inputs):
        words.append("some inputs are known only after other resources are made; the job may be replaced")
    return DiffAnswer(tuple(answered)), words


def _explained(old: Mapping[str, object], new: Mapping[str, object], hidden: Set[str]) -> list[Change]:
    before, after = old.get("sourceDigest"), new.get("sourceDigest")
    is_same = before == after  # then there are no files to name, and none to be read for a hundred jobs
    old_files = manifests.recall(before) if isinstance(before, str) and not is_same else None
    new_files = manifests.recall(after) if isinstance(after, str) and not is_same else None
    if old_files and new_files and known(old.get("sourceRules")) < known(new.get("sourceRules")):
        # What only newer rules took away was not removed by anybody; the rules have a line of their own.
        remaining = {p: sha for p, sha in old_files.items() if p in new_files or not is_path_aside(p)}
        old_files = remaining if remaining != new_files else None
    return explain(old, new, old_files, new_files, hidden=hidden)


def _changed_rules(call: DiffCall) -> list[str]:
    """What newer rules changed: said in the row of the run that is the first to be made under them."""
    if not _has_newer_rules(call):
        return []
    old, new = known(call.old_inputs.get("sourceRules")), known(call.inputs.get("sourceRules"))
    before = call.old_inputs.get("sourceDigest")
    files = (manifests.recall(before) if isinstance(before, str) else None) or {}
    return [changes_of(old, new, [path for path in files if is_path_aside(path)])]


def _has_newer_rules(call: DiffCall) -> bool:
    return known(call.old_inputs.get("sourceRules")) < known(call.inputs.get("sourceRules"))


def _counts(change: Change) -> bool:
    """Whether a change is one at all: where a run runs from is none."""
    top = _top(change.path)
    return top in _REPLACING or top in _IN_PLACE or change.path == _PRICE or _moves(change.path)


def _property_change(change: Change) -> PropertyChange:
    replace = _top(change.path) in _REPLACING or _moves(change.path)
    return PropertyChange(change.path, ChangeKind(change.kind), replace)


def _moves(path: str) -> bool:
    """Whether the run would be another one because its workspace is."""
    return path in {f"compute.{name}" for name in _IDENTITY_OF_COMPUTE} or path in ("compute", "name")


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _secret_paths(inputs: Mapping[str, object]) -> Iterator[str]:
    """Where something is secret; a list that holds a secret counts as a whole."""
    return _marked_paths(with_secrets_marked(inputs), "")


def _marked_paths(value: object, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _marked_paths(item, f"{path}.{name}" if path else name)
    elif contains_secret(value):
        yield path


def _comparable(inputs: Mapping[str, object]) -> dict[str, Any]:
    plain, _ = unwrap_secrets(inputs)
    return dict(plain)


def _named(call: DiffCall, old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both with the names that count: the resource's where none is given.

    A resource that was renamed (by an alias) had another name then; the run id tells it.
    """
    now = new.get("name", call.name)
    before = old.get("name", call.name)
    if "name" not in old and isinstance(now, str) and call.id == f"{now}-{call.id[-10:]}":
        before = now
    return {**old, "name": before}, {**new, "name": now}
