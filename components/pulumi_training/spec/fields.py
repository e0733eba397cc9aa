"""The marks that every field of a model carries: its identity, whether it is secret, an example, what came after it."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Identity(str, Enum):
    """What a change of a field does to a run."""

    KEY = "key"
    """It decides the result: a change makes another run."""
    INPLACE = "inplace"
    """It may change on the run that is there."""
    IGNORED = "ignored"
    """It only says where the run runs from."""


class Model(BaseModel):
    """The base of every spec model: frozen, strict about names, camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,
        use_enum_values=False,
        ser_json_inf_nan="strings",
        hide_input_in_errors=True,
    )


def key(default: object = ..., **keywords: object) -> Any:
    """A field that decides the result."""
    return _field(Identity.KEY, default, keywords)


def inplace(default: object = ..., **keywords: object) -> Any:
    """A field that may change on a run that is there."""
    return _field(Identity.INPLACE, default, keywords)


def ignored(default: object = ..., **keywords: object) -> Any:
    """A field that only says where the run runs from."""
    return _field(Identity.IGNORED, default, keywords)


def identity_of(model: type[BaseModel], name: str) -> Identity:
    """The identity of a field.

    Raises:
        KeyError: the field carries none, which a test forbids.
    """
    extra = model.model_fields[name].json_schema_extra
    if not isinstance(extra, dict) or "identity" not in extra:
        raise KeyError(f"{model.__name__}.{name} has no identity")
    return Identity(str(extra["identity"]))


def is_secret(model: type[BaseModel], name: str) -> bool:
    """Whether a field's value must never be seen."""
    extra = model.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("secret"))


def deprecation_of(model: type[BaseModel], name: str) -> str | None:
    """What to write in place of a field that is only taken still; None for all others."""
    extra = model.model_fields[name].json_schema_extra
    words = extra.get("deprecated") if isinstance(extra, dict) else None
    return str(words) if words else None


def _field(identity: Identity, default: object, keywords: dict[str, Any]) -> Any:
    extra: dict[str, Any] = {"identity": identity.value}
    for mark in ("secret", "example", "setting", "tunes", "deprecated"):
        if mark in keywords:
            extra[mark] = keywords.pop(mark)
    if isinstance(default, (list, dict, set)):
        kind = type(default)
        content = default
        return Field(default_factory=lambda: kind(content), json_schema_extra=extra, **keywords)
    return Field(default, json_schema_extra=extra, **keywords)
