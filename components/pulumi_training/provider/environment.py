"""The handler of `training:index:Environment`: software made once and shared by many jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic.alias_generators import to_camel

from ..identity.tree import existing_folder
from ..spec.components import EnvironmentArgs
from ..spec.environment import EnvironmentSpec
from ..spec.errors import Problem, SpecError, mask
from ..spec.reading import read_partly
from ..spec.rules import environment_problems
from ..targets import catalog
from ..targets.contract.environment import EnvironmentMaker, Made
from ..targets.rules import environment_problems as problems_at_target
from .handler import (
    ChangeKind,
    CheckAnswer,
    CheckCall,
    CreateAnswer,
    CreateCall,
    DeleteCall,
    DiffAnswer,
    DiffCall,
    PropertyChange,
    ReadAnswer,
    ReadCall,
    ResourceHandler,
    UpdateAnswer,
    UpdateCall,
)
from .pool import blocking
from .secrets import with_secrets_marked
from .wire import UNKNOWN, contains_secret, contains_unknown, keep_secrets, unwrap_secrets

_PLACE = ("target", "sourceDirectory", "digest")
"""Inputs that are neither the declaration nor settings of its target."""


class EnvironmentHandler(ResourceHandler):
    """Each target makes its own kind of environment; the digest decides whether there is work."""

    async def check(self, call: CheckCall) -> CheckAnswer:
        """Every problem of the declaration, and the digest of what would be installed."""
        return await blocking(self._check, call)

    async def diff(self, call: DiffCall) -> DiffAnswer:
        """The digest decides; where nothing else tells why, a requirements file changed."""
        old, new = call.old_inputs, call.inputs
        if old.get("digest") == new.get("digest") and new.get("digest") is not UNKNOWN:
            return DiffAnswer()
        old, new = (unwrap_secrets(inputs)[0] for inputs in (old, new))
        names = sorted({*old, *new} - {"digest"})
        changed = [
            PropertyChange(n, ChangeKind.UPDATE, replace=True) for n in names if old.get(n) != new.get(n)
        ]
        return DiffAnswer((*changed, PropertyChange("digest", ChangeKind.UPDATE, replace=True)))

    async def create(self, call: CreateCall) -> CreateAnswer:
        """Builds the environment, or finds it. In preview only what is known already."""
        if call.preview:
            digest = call.inputs.get("digest", UNKNOWN)
            # The input of the same name is another thing, as the base image: until it is made, the output is not known.
            maker = await blocking(_maker, call.inputs)
            _note(call)
            known = dict.fromkeys(maker.not_before_made, UNKNOWN)
            return CreateAnswer("" if contains_unknown(digest) else _id(digest), known)
        _note(call)
        spec, source = _spec(call.inputs), self._source(call.inputs)
        made = await blocking(_make, spec, source, call)
        for warning in made.warnings:
            call.progress.warning(warning)
        return CreateAnswer(_id(call.inputs["digest"]), {**_outputs(call, spec, made), **made.outputs})

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """Only where it runs from changed: the outputs stay."""
        return UpdateAnswer({} if call.preview else call.old_outputs)

    async def read(self, call: ReadCall) -> ReadAnswer | None:
        """What the target has; an environment that was pruned is made again by the next `pulumi up`."""
        digest = call.inputs.get("digest")
        if not isinstance(digest, str):
            return None
        spec, source = _spec(call.inputs), self._source(call.inputs)
        is_there = await blocking(_is_there, spec, source, call.inputs, digest)
        return ReadAnswer(call.id, call.outputs, call.inputs) if is_there else None

    async def delete(self, call: DeleteCall) -> None:
        """The cache keeps it: other jobs may share it, and unused ones are pruned by age."""

    def _check(self, call: CheckCall) -> CheckAnswer:
        given = {name: value for name, value in call.inputs.items() if name != "digest"}
        unknown = {name for name, value in given.items() if contains_unknown(value)}
        plain, _ = unwrap_secrets({name: value for name, value in given.items() if name not in unknown})
        hidden = {name for name, value in given.items() if contains_secret(value)}
        args, problems = read_partly(EnvironmentArgs, plain, hidden)
        problems += environment_problems(args)
        try:
            target = catalog.describe(args.target or catalog.DEFAULT)
            problems += problems_at_target(args, target)
            catalog.environment_maker(target)
        except SpecError as error:
            problems += [Problem("target", problem.message) for problem in error.problems]
        problems, warnings = _taken_before(call, problems) if problems else (problems, ())
        inputs = with_secrets_marked(given)
        if problems or unknown:
            return CheckAnswer({**inputs, "digest": UNKNOWN}, tuple(problems), warnings)
        spec, source = _spec(given), self._source(given)
        try:
            existing_folder(source)
        except SpecError as error:
            return CheckAnswer({**inputs, "digest": UNKNOWN}, error.problems)
        maker = catalog.environment_maker(target)
        problems = _own(maker.problems(spec, source))
        if problems:
            return CheckAnswer({**inputs, "digest": UNKNOWN}, tuple(problems))
        try:
            inputs["digest"] = maker.digest(spec, source)
        except SpecError as error:
            return CheckAnswer({**inputs, "digest": UNKNOWN}, tuple(_own(error.problems)))
        return CheckAnswer(dict(keep_secrets(inputs, call.inputs)), (), warnings)

    def _source(self, inputs: Mapping[str, object]) -> Path:
        plain, _ = unwrap_secrets(inputs.get("sourceDirectory"))
        return (self.base / str(plain or ".")).resolve()


def _taken_before(call: CheckCall, problems: list[Problem]) -> tuple[list[Problem], tuple[str, ...]]:
    """The problems that are new, and words about those that the resource in state has already."""
    if not call.old_inputs:
        return problems, ()
    from .once_taken import taken_before

    old, _ = unwrap_secrets({name: value for name, value in call.old_inputs.items() if name != "digest"})
    args, _ = read_partly(EnvironmentArgs, old)
    try:
        before = list(problems_at_target(args, catalog.describe(args.target or catalog.DEFAULT)))
    except SpecError:
        before = []
    left, words = taken_before(problems, before, call.inputs, call.old_inputs)
    return left, tuple(words)


def _note(call: CreateCall) -> None:
    """Says what the declaration asks for that its target does not have and that changes nothing."""
    from ..targets.compute_settings import notes_of_environment, notes_of_place

    plain, _ = unwrap_secrets(call.inputs)
    target = str(plain.get("target") or catalog.DEFAULT)
    for note in (*notes_of_environment(plain, target), *notes_of_place(_settings(call.inputs), target)):
        call.progress.info(note)


def _spec(inputs: Mapping[str, object]) -> EnvironmentSpec:
    plain, _ = unwrap_secrets(inputs)
    own = {*_PLACE, *_settings_of_targets()}
    return EnvironmentSpec.model_validate({name: value for name, value in plain.items() if name not in own})


def _settings_of_targets() -> list[str]:
    """The inputs that only say where an environment is made, by wire name."""
    own = (
        to_camel(name) for name in EnvironmentArgs.model_fields if name not in EnvironmentSpec.model_fields
    )
    return [name for name in own if name not in _PLACE]


def _maker(inputs: Mapping[str, object]) -> EnvironmentMaker:
    target, _ = unwrap_secrets(inputs.get("target"))
    return catalog.environment_maker(catalog.describe(str(target or catalog.DEFAULT)))


def _make(spec: EnvironmentSpec, source: Path, call: CreateCall) -> Made:
    return _maker(call.inputs).make(spec, source, _settings(call.inputs), call.progress.line)


def _is_there(spec: EnvironmentSpec, source: Path, inputs: Mapping[str, object], digest: str) -> bool:
    return _maker(inputs).is_there(spec, source, _settings(inputs), digest)


def _own(problems: Iterable[Problem]) -> list[Problem]:
    """Problems of a job's environment as those of the Environment resource itself."""
    return [Problem(p.path.removeprefix("environment."), p.message) for p in problems]


def _id(digest: str) -> str:
    return f"env-{digest.rpartition(':')[2][:16]}"


def _settings(inputs: Mapping[str, object]) -> dict[str, str]:
    """Where it is made, as a cluster's settings say it."""
    plain, _ = unwrap_secrets({name: inputs.get(name) for name in _settings_of_targets()})
    return {name: str(value) for name, value in plain.items() if value}


def _outputs(call: CreateCall, spec: EnvironmentSpec, made: Made) -> dict[str, Any]:
    inputs = with_secrets_marked(call.inputs)
    hidden = {"image_registry", "build_secrets"}
    declared = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=hidden)
    declared |= _registry_without_password(spec)
    plain, _ = unwrap_secrets({name: inputs.get(name) for name in ("target", "sourceDirectory")})
    return {
        "digest": inputs["digest"],
        "location": made.location,
        "packages": [mask(package, call.secrets, short=False) for package in made.packages],
        "warnings": [mask(warning, call.secrets) for warning in made.warnings],
        "ref": {
            "id": _id(inputs["digest"]),
            "digest": inputs["digest"],
            "target": str(plain["target"] or catalog.DEFAULT),
            "location": made.location,
            "spec": keep_secrets(declared, inputs),  # what came as a secret does not leave in the clear
            "sourceDirectory": keep_secrets(
                str(plain["sourceDirectory"] or "."), inputs.get("sourceDirectory")
            ),
        },
    }


def _registry_without_password(spec: EnvironmentSpec) -> dict[str, Any]:
    """What the `ref` output keeps of the registry: its address is part of an image's name."""
    if spec.image_registry is None:
        return {}
    kept = spec.image_registry.model_dump(mode="json", by_alias=True, exclude={"password"}, exclude_none=True)
    return {"imageRegistry": kept}
