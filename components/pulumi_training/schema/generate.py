"""`schema.json`: what Pulumi's other languages and its registry know of the package, generated from the models."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from ..spec.components import (
    ComputeClusterOutputs,
    DatastoreOutputs,
    EnvironmentArgs,
    EnvironmentOutputs,
    RecordRetentionArgs,
    RecordRetentionOutputs,
    WorkspaceOutputs,
)
from ..spec.compute import ComputeRef, EnvironmentRef, WorkspaceRef
from ..spec.fields import deprecation_of, is_secret
from ..spec.job import JobSpec
from ..spec.outputs import JobOutputs
from ..targets import catalog
from ..targets.contract.descriptor import TargetDescriptor
from ..version import __version__

PACKAGE = "training"
REQUIRED_OF_JOB = ("compute",)
# What one resource gives and another takes. Pulumi's YAML assigns no enum to the very same enum, so they have none.
_PASSED_ON: tuple[type[BaseModel], ...] = (WorkspaceRef, ComputeRef, EnvironmentRef)
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def package_schema(targets: Iterable[TargetDescriptor] | None = None) -> dict[str, Any]:
    """The whole schema, as Pulumi's package schema has it, with the components of `targets`, ours by default."""
    known = list(targets) if targets is not None else [catalog.describe(name) for name in catalog.names()]
    collected = _Types({each.name: catalog.part(each.settings) for each in known if each.settings})
    resources = {
        f"{PACKAGE}:index:TrainingJob": _resource(collected, JobSpec, JobOutputs, _JOB, REQUIRED_OF_JOB),
        f"{PACKAGE}:index:Environment": _resource(
            collected, EnvironmentArgs, EnvironmentOutputs, _ENVIRONMENT
        ),
    }
    resources[f"{PACKAGE}:index:RecordRetention"] = _resource(
        collected, RecordRetentionArgs, RecordRetentionOutputs, _RETENTION, ("workspace",)
    )
    for target in known:
        for name, (outputs, description, required) in _COMPONENTS.items():
            model = arguments(target, name)
            resource = _resource(collected, model, outputs, description.format(target=target.name), required)
            resources[f"{PACKAGE}:{target.name}:{name}"] = {"isComponent": True, **resource}
    return {
        "name": PACKAGE,
        "displayName": "Training",
        "version": __version__,
        "description": "A distributed training run as a resource: built, launched with MPI, waited for to its true end.",
        "keywords": ["pulumi", "training", "mpi", "machine-learning", "category/utility", "kind/native"],
        "license": "Apache-2.0",
        "publisher": "pulumi-training",
        "config": {"variables": {"store": _STORE}},
        "provider": {
            "description": "Where runs are looked for by id alone.",
            "inputProperties": {"store": _STORE},
        },
        "types": dict(sorted(collected.types.items())),
        "resources": dict(sorted(resources.items())),
        "language": {
            "python": {
                "respectSchemaVersion": True,
                "pyproject": {"enabled": True},
                "packageName": "pulumi_training",
            },
            "nodejs": {"respectSchemaVersion": True},
            "go": {"respectSchemaVersion": True, "generateResourceContainerTypes": True},
            "csharp": {"respectSchemaVersion": True},
        },
    }


def schema_text(targets: Iterable[TargetDescriptor] | None = None) -> str:
    """The schema as it is checked in, or with the components of `targets`."""
    return json.dumps(package_schema(targets), indent=2, ensure_ascii=False) + "\n"


def arguments(target: TargetDescriptor, component: str) -> type[BaseModel]:
    """The model of what a component of a target takes."""
    named = {
        "Workspace": target.workspace_arguments,
        "Datastore": target.datastore_arguments,
        "ComputeCluster": target.cluster_arguments,
    }
    model: type[BaseModel] = catalog.part(named[component])
    return model


class _Types:
    """Object and enum types met on the way, by token."""

    def __init__(self, settings: Mapping[str, type[BaseModel]]) -> None:
        """`settings` are the models of the targets' own objects in `compute`."""
        self.types: dict[str, Any] = {}
        self._settings = settings
        self._without_enums = _reached_from(_PASSED_ON)

    def of(self, annotation: Any) -> dict[str, Any]:
        """The type of an annotation. Raises TypeError for a union, which the wire must not have."""
        origin = get_origin(annotation)
        if origin in (Union, types.UnionType):
            inner = [a for a in get_args(annotation) if a is not type(None)]
            if len(inner) != 1:
                raise TypeError(f"{annotation} is a union; the wire has none")
            return self.of(inner[0])
        if hasattr(annotation, "__metadata__"):
            return self.of(get_args(annotation)[0])
        if origin in (list, tuple):
            return {"type": "array", "items": self.of(get_args(annotation)[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(get_args(annotation)[1])}
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return self._enum(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self._object(annotation)
        return {"type": _PLAIN[annotation]}

    def _enum(self, kind: type[Enum]) -> dict[str, Any]:
        token = f"{PACKAGE}:index:{kind.__name__}"
        values = [{"name": member.name.title().replace("_", ""), "value": member.value} for member in kind]
        self.types[token] = {"type": "string", "description": _first_line(kind), "enum": values}
        return {"$ref": f"#/types/{token}"}

    def _object(self, model: type[BaseModel]) -> dict[str, Any]:
        token = f"{PACKAGE}:index:{model.__name__}"
        if token not in self.types:
            self.types[token] = {}
            properties, required = self.properties(model)
            self.types[token] = {
                "type": "object",
                "description": _first_line(model),
                "properties": properties,
                **({"required": required} if required else {}),
            }
        return {"$ref": f"#/types/{token}"}

    def properties(self, model: type[BaseModel]) -> tuple[dict[str, Any], list[str]]:
        """The properties of a model and the names of those that must be given."""
        properties, required = {}, []
        for name, info in model.model_fields.items():
            wire = to_camel(name)
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            words = info.description or ""
            if "example" in extra:
                words += f" Example: `{json.dumps(extra['example'], ensure_ascii=False)}`."
            choices = _enum_of(info.annotation) if model in self._without_enums else None
            if choices is None:
                properties[wire] = {**self.of(info.annotation), "description": words}
            else:
                if not all(str(choice.value) in words for choice in choices):
                    words += f" One of {', '.join(f'`{choice.value}`' for choice in choices)}."
                properties[wire] = {"type": "string", "description": words.strip()}
            if is_secret(model, name):
                properties[wire]["secret"] = True
            if instead := deprecation_of(model, name):
                properties[wire]["deprecationMessage"] = instead
            default = info.get_default(call_default_factory=False)
            if isinstance(default, (bool, int, float, str)):
                properties[wire]["default"] = default.value if isinstance(default, Enum) else default
            if info.is_required():
                required.append(wire)
        if issubclass(model, WorkspaceRef):
            for target, settings in self._settings.items():
                words = f"The settings of target {target}, typed; in place of the texts in `settings`."
                properties[target] = {**self.of(settings), "description": words}
        return properties, required


def _resource(
    collected: _Types,
    arguments: type[BaseModel],
    outputs: type[BaseModel],
    description: str,
    required: Any = (),
) -> dict[str, Any]:
    inputs, needed = collected.properties(arguments)
    given, always = collected.properties(outputs)
    return {
        "description": description,
        "inputProperties": inputs,
        "requiredInputs": sorted({*needed, *required}),
        "properties": given,
        "required": sorted(always),
    }


def _reached_from(models: Iterable[type[BaseModel]]) -> set[type[BaseModel]]:
    """The models, and those that their fields hold."""
    reached: set[type[BaseModel]] = set()
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if model not in reached:
            reached.add(model)
            kinds = (kind for info in model.model_fields.values() for kind in _parts(info.annotation))
            waiting += [kind for kind in kinds if issubclass(kind, BaseModel)]
    return reached


def _enum_of(annotation: object) -> type[Enum] | None:
    """The enum that an annotation is, None left out."""
    kinds = _parts(annotation)
    return kinds[0] if len(kinds) == 1 and issubclass(kinds[0], Enum) else None


def _parts(annotation: object) -> list[type]:
    """The classes that an annotation is made of, None left out."""
    arguments = get_args(annotation)
    if not arguments:
        return [annotation] if isinstance(annotation, type) and annotation is not type(None) else []
    return [kind for argument in arguments for kind in _parts(argument)]


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


_STORE = {
    "type": "string",
    "description": "The record store to look in where an import id names none: a folder or any fsspec URL.",
}
_JOB = """A training run: environment built, ranks launched, waited for to its true end.

A failed rank is a failed update that names the rank. An unchanged source tree does nothing; a changed file
replaces the job. The record of the run (logs, outputs, metrics, manifest) outlives the machine that made it."""
_ENVIRONMENT = "Software made once and shared by many jobs: pass its `ref` as `environmentRef`."
_RETENTION = """How many records a workspace keeps: the last runs, the best ones by a metric, or both.

A removed record leaves a tombstone that still answers: it is no drift."""
_COMPONENTS: dict[str, tuple[type[BaseModel], str, tuple[str, ...]]] = {
    "Workspace": (
        WorkspaceOutputs,
        "A workspace on target {target}: where the records of its runs are kept.",
        (),
    ),
    "Datastore": (
        DatastoreOutputs,
        "Data that jobs on target {target} read or write: a folder or any fsspec URL.",
        (),
    ),
    "ComputeCluster": (
        ComputeClusterOutputs,
        "How many nodes, slots and GPUs runs on target {target} share, first come, first served.",
        (),
    ),
}
