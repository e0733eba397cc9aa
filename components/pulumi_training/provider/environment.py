"""The handler of `training:index:Environment`: software made once and shared by many jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..environment import cache, checks, local
from ..environment.digest import Request
from ..identity.tree import existing_folder
from ..spec.components import EnvironmentArgs
from ..spec.environment import EnvironmentSpec
from ..spec.errors import Problem, SpecError, mask
from ..spec.reading import read_partly
from ..spec.rules import environment_problems
from . import environment_image
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

_DAEMON = ("dockerHost", "tls")


class EnvironmentHandler(ResourceHandler):
    """Environments of this machine and images of a Docker daemon; the digest decides whether there is work."""

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
            # The input of the same name is the base image: until it is made, the output is not known.
            known = {"image": UNKNOWN} if _is_image(call.inputs) else {}
            return CreateAnswer("" if contains_unknown(digest) else _id(digest), known)
        spec, source = _spec(call.inputs), self._source(call.inputs)
        if _is_image(call.inputs):
            return await self._create_image(call, spec, source)
        made = await blocking(
            local.ensure,
            spec,
            source=source,
            needs_mpi=False,
            needs_mpi4py=False,
            progress=call.progress.line,
        )
        for warning in made.warnings:
            call.progress.warning(warning)
        kept = {"location": str(made.prefix), "packages": made.packages, "warnings": made.warnings}
        return CreateAnswer(_id(call.inputs["digest"]), _outputs(call, spec, kept))

    async def _create_image(self, call: CreateCall, spec: EnvironmentSpec, source: Path) -> CreateAnswer:
        made = await blocking(environment_image.make, spec, source, _daemon(call.inputs), call.progress.line)
        for warning in made.warnings:
            call.progress.warning(warning)
        kept = {"location": made.image, "packages": made.packages, "warnings": made.warnings}
        outputs = _outputs(call, spec, kept) | environment_image.outputs(made)
        return CreateAnswer(_id(call.inputs["digest"]), outputs)

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """Only where it runs from changed: the outputs stay."""
        return UpdateAnswer({} if call.preview else call.old_outputs)

    async def read(self, call: ReadCall) -> ReadAnswer | None:
        """What the cache has; an environment that was pruned is made again by the next `pulumi up`."""
        digest = call.inputs.get("digest")
        if _is_image(call.inputs):
            spec, source = _spec(call.inputs), self._source(call.inputs)
            if not await blocking(environment_image.is_there, spec, source, _daemon(call.inputs)):
                return None
            return ReadAnswer(call.id, call.outputs, call.inputs)
        if not isinstance(digest, str) or await blocking(cache.read, cache.prefix_of(digest)) is None:
            return None
        return ReadAnswer(call.id, call.outputs, call.inputs)

    async def delete(self, call: DeleteCall) -> None:
        """The cache keeps it: other jobs may share it, and unused ones are pruned by age."""

    def _check(self, call: CheckCall) -> CheckAnswer:
        given = {name: value for name, value in call.inputs.items() if name != "digest"}
        unknown = {name for name, value in given.items() if contains_unknown(value)}
        plain, _ = unwrap_secrets({name: value for name, value in given.items() if name not in unknown})
        hidden = {name for name, value in given.items() if contains_secret(value)}
        args, problems = read_partly(EnvironmentArgs, plain, hidden)
        problems += environment_problems(args, args.target or "local")
        if args.target not in (None, "local", environment_image.TARGET):
            problems.append(
                Problem(
                    "target",
                    f"environments of target {args.target!r} are not in this version; write 'local' or 'docker'",
                )
            )
        inputs = with_secrets_marked(given)
        if problems or unknown:
            return CheckAnswer({**inputs, "digest": UNKNOWN}, tuple(problems))
        spec, source = _spec(given), self._source(given)
        try:
            existing_folder(source)
        except SpecError as error:
            return CheckAnswer({**inputs, "digest": UNKNOWN}, error.problems)
        of_image = _is_image(given)
        problems = _own((environment_image if of_image else checks).problems(spec, source))
        if problems:
            return CheckAnswer({**inputs, "digest": UNKNOWN}, tuple(problems))
        try:
            inputs["digest"] = (
                environment_image.digest(spec, source)
                if of_image
                else Request(spec, source, needs_mpi=False, needs_mpi4py=False).digest
            )
        except SpecError as error:
            return CheckAnswer({**inputs, "digest": UNKNOWN}, tuple(_own(error.problems)))
        return CheckAnswer(dict(keep_secrets(inputs, call.inputs)))

    def _source(self, inputs: Mapping[str, Any]) -> Path:
        plain, _ = unwrap_secrets(inputs.get("sourceDirectory"))
        return (self.base / str(plain or ".")).resolve()


def _spec(inputs: Mapping[str, Any]) -> EnvironmentSpec:
    plain, _ = unwrap_secrets(inputs)
    own = {"target", *_DAEMON, "sourceDirectory", "digest"}
    return EnvironmentSpec.model_validate({name: value for name, value in plain.items() if name not in own})


def _own(problems: Iterable[Problem]) -> list[Problem]:
    """Problems of a job's environment as those of the Environment resource itself."""
    return [Problem(p.path.removeprefix("environment."), p.message) for p in problems]


def _id(digest: str) -> str:
    return f"env-{digest.rpartition(':')[2][:16]}"


def _is_image(inputs: Mapping[str, Any]) -> bool:
    return bool(unwrap_secrets(inputs.get("target"))[0] == environment_image.TARGET)


def _daemon(inputs: Mapping[str, Any]) -> dict[str, str]:
    """The daemon as a cluster's settings name one."""
    plain, _ = unwrap_secrets({name: inputs.get(name) for name in _DAEMON})
    return {name: str(value) for name, value in plain.items() if value}


def _outputs(call: CreateCall, spec: EnvironmentSpec, kept: Mapping[str, Any]) -> dict[str, Any]:
    inputs = with_secrets_marked(call.inputs)
    hidden = {"image_registry", "build_secrets"}
    declared = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=hidden)
    declared |= environment_image.registry_without_password(spec)
    plain, _ = unwrap_secrets({name: inputs.get(name) for name in ("target", "sourceDirectory")})
    return {
        "digest": inputs["digest"],
        "location": kept["location"],
        "packages": [mask(package, call.secrets, short=False) for package in kept["packages"]],
        "warnings": [mask(warning, call.secrets) for warning in kept["warnings"]],
        "ref": {
            "id": _id(inputs["digest"]),
            "digest": inputs["digest"],
            "target": str(plain["target"] or "local"),
            "location": kept["location"],
            "spec": keep_secrets(declared, inputs),  # what came as a secret does not leave in the clear
            "sourceDirectory": keep_secrets(
                str(plain["sourceDirectory"] or "."), inputs.get("sourceDirectory")
            ),
        },
    }
