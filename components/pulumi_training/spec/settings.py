"""The settings of a target, typed: what a cluster says of its place beside its size.

Each target has a model of its own, a subclass of `TargetSettings`, and an object of that model under the target's name in
`compute`. Before there were such objects, every setting was a text in the map `compute.settings`, which is still taken:
`read_settings` makes one typed object of both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from enum import Enum
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from .errors import Problem
from .fields import Model, ignored

S = TypeVar("S", bound="TargetSettings")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])i?)?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_ULIMIT = re.compile(r"([a-z]+)=(-?\d+)(?::(-?\d+))?")


class Setting(str, Enum):
    """What a setting is, and with it where it may be written."""

    ADDRESS = "address"
    """It says where something is or how much of it is used: it is recorded."""
    CREDENTIAL = "credential"
    """It opens something: secret on the wire, in no record, label, command line or event, and given anew each time."""


def address(default: object = None, *, tunes: bool = False, **keywords: object) -> Any:
    """A setting that is recorded. `tunes`: it changes how a run is carried out, never what comes of it."""
    return ignored(default, setting=Setting.ADDRESS.value, tunes=tunes, **keywords)


def credential(default: object = None, **keywords: object) -> Any:
    """A setting that is secret, and recorded nowhere."""
    return ignored(default, setting=Setting.CREDENTIAL.value, secret=True, **keywords)


def size_in_bytes(text: str) -> int:
    """Bytes of a size as Docker writes one: `512m`, `1.5g`, `16Gi`; k, m, g and t are powers of 1024.

    Raises:
        ValueError: it is none; in words that follow the text.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("is not a size; write one, as 16g or 512m")
    return int(float(found[1]) * _UNITS[(found[2] or "").lower()])


def cores_in_text(text: str) -> float:
    """A number of cores that is written as a text.

    Raises:
        ValueError: it is none; in words that follow the text.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ValueError("is not a number of cores; write one, as 4 or 1.5")
    return number


def ulimits_in_text(text: str) -> list[dict[str, Any]]:
    """Limits that are written as one text, `memlock=-1,nofile=1024:65536`, as `Ulimit` has them.

    Raises:
        ValueError: it is none; in words that follow the text.
    """
    limits = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _ULIMIT.fullmatch(part)
        if found is None:
            raise ValueError("is not a list of limits; write them as memlock=-1,nofile=1024:65536")
        hard = {"hard": int(found[3])} if found[3] else {}
        limits.append({"name": found[1], "soft": int(found[2]), **hard})
    return limits


def checked_text(reader: Callable[[str], Any]) -> AfterValidator:
    """A validator of a text that `reader` must be able to read; the text stays as it was written."""

    def check(text: str) -> str:
        try:
            reader(text)
        except ValueError as error:
            raise PydanticCustomError("setting", "{words}", {"words": str(error)}) from error
        return text

    return AfterValidator(check)


Size = Annotated[str, checked_text(size_in_bytes)]
"""A size with its unit, as a container's limits have one."""


class TargetSettings(Model):
    """The settings of one target. What a newer version wrote is kept, and can be named (`unknown_in`).

    `texts` says how the text of the old map becomes the typed value, where that is no text itself; `not_here` names the
    settings (wire names) that are taken so that a program can change its target, and that do nothing on this one.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=False)

    texts: ClassVar[Mapping[str, Callable[[str], Any]]] = {}
    not_here: ClassVar[frozenset[str]] = frozenset()

    def comparable(self) -> dict[str, Any]:
        """What was given, by wire name, with equal values for what means the same."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


class Ulimit(Model):
    """A limit of a container's processes (`man setrlimit`); -1 is no limit."""

    name: str = ignored(
        description="The limit, as `docker run --ulimit` names it.", pattern="^[a-z]+$", example="nofile"
    )
    soft: int = ignored(description="What holds.", ge=-1, example=1024)
    hard: int | None = ignored(
        None, description="What a process may raise it to; the soft one by default.", ge=-1, example=65536
    )


class ContainerLimits(TargetSettings):
    """What the container of a node may use. Every target takes these, so that a program can change its target."""

    texts: ClassVar[Mapping[str, Callable[[str], Any]]] = {"cpus": cores_in_text, "ulimits": ulimits_in_text}

    memory: Size | None = address(
        tunes=True,
        description="The most memory of a container, in bytes or with the unit b, k, m, g or t (powers of 1024); no "
        "limit by default.",
        example="16g",
    )
    cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = address(
        tunes=True,
        description="The most cores of a container; no limit by default, because a throttled rank makes all others "
        "wait.",
        example=1.5,
    )
    shm_size: Size | None = address(
        tunes=True,
        description="The shared memory of a container, in bytes or with the unit b, k, m, g or t (powers of 1024); 2g "
        "by default. The job's own wins.",
        example="4g",
    )
    ulimits: list[Ulimit] | None = address(
        tunes=True,
        description="Limits of a container's processes.",
        example=[{"name": "nofile", "soft": 1024, "hard": 65536}],
    )

    def comparable(self) -> dict[str, Any]:
        """See `TargetSettings.comparable`."""
        found = super().comparable()
        found |= {
            name: size_in_bytes(found[name]) for name in ("memory", "shmSize") if found.get(name) is not None
        }
        if self.ulimits is not None:
            found["ulimits"] = sorted(
                (u.name, u.soft, u.soft if u.hard is None else u.hard) for u in self.ulimits
            )
        return found


class UnlimitedSettings(ContainerLimits):
    """Limits of containers: taken, so that a program can change its target, and without effect here."""

    not_here: ClassVar[frozenset[str]] = frozenset(map(to_camel, ContainerLimits.model_fields))


def read_settings(
    model: type[S],
    compute: Mapping[str, Any],
    target: str,
    old_path: str = "compute.settings",
    new_path: str = "",
) -> tuple[S, list[Problem]]:
    """The settings of a cluster, from the old map and the target's own object, and everything wrong with them.

    A setting in which something is wrong is left out of the answer. What is given in both places counts once where it
    means the same, and is a problem where it does not. The paths are those of the map and of the object.
    """
    problems: list[Problem] = []
    new_path = new_path or f"compute.{target}"
    old = _validated(
        model, _typed(model, compute.get("settings") or {}, old_path, problems), old_path, problems
    )
    given = compute.get(target)
    if given is not None and not isinstance(given, Mapping):
        problems.append(Problem(new_path, "is not an object; write the settings in one"))
        given = None
    new = _validated(model, given or {}, new_path, problems)
    before, after = old.comparable(), new.comparable()
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            words = f"differs from {_at(old_path, name)}; give the setting once, in {new_path}"
            problems.append(Problem(_at(new_path, name), words))
    given_new = {name: value for name in new.model_fields_set if (value := getattr(new, name)) is not None}
    return old.model_copy(update=given_new), problems


def settings_of(model: type[S], compute: Mapping[str, object], target: str) -> S:
    """As `read_settings`, of a cluster that was checked: what cannot be read in it does not count."""
    return read_settings(model, compute, target)[0]


def unknown_settings(model: type[TargetSettings], given: Mapping[str, object], path: str) -> list[Problem]:
    """Names that no setting has, where settings are declared: there, one is a mistake."""
    known = names_of(model)
    return [_no_such(path, name, known) for name in given if name not in known]


def names_of(model: type[TargetSettings]) -> list[str]:
    """The wire names of a target's settings."""
    return [info.alias or name for name, info in model.model_fields.items()]


def kind_of(model: type[TargetSettings], name: str) -> Setting:
    """What a setting is.

    Raises:
        KeyError: it is not marked, which a test forbids.
    """
    return Setting(_marks(model, name)["setting"])


def credentials_of_model(model: type[TargetSettings]) -> frozenset[str]:
    """The wire names of the settings that are secret whatever their values are."""
    return frozenset(
        info.alias or name
        for name, info in model.model_fields.items()
        if kind_of(model, name) is Setting.CREDENTIAL
    )


def _marks(model: type[BaseModel], name: str) -> dict[str, Any]:
    extra = model.model_fields[name].json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def _typed(
    model: type[TargetSettings], old: Mapping[str, object], path: str, problems: list[Problem]
) -> dict[str, Any]:
    """The old map with typed values in place of texts; an empty text is no value."""
    known = names_of(model)
    typed: dict[str, Any] = {}
    for name, text in old.items():
        if name not in known:
            problems.append(_no_such(path, name, known))
        elif text:
            try:
                typed[name] = model.texts.get(name, str)(str(text))
            except ValueError as error:
                problems.append(Problem(_at(path, name), f"{text!r} {error}"))
    return typed


def _no_such(path: str, name: str, known: Collection[str]) -> Problem:
    near = get_close_matches(name, known, n=1)
    there = f"there are {', '.join(known)}" if known else "the target has none"
    words = f"did you mean {near[0]}? {there.capitalize()}" if near else there
    return Problem(_at(path, name), f"there is no such setting; {words}")


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _validated(model: type[S], given: Mapping[str, object], path: str, problems: list[Problem]) -> S:
    pythonic = [name for name in given if name in model.model_fields and name not in names_of(model)]
    problems += [_no_such(path, name, names_of(model)) for name in pythonic]  # surely no newer version's
    given = {name: value for name, value in given.items() if name not in pythonic}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        from .reading import problems_of  # its words are for what is wrong, which is seldom

        problems += problems_of(model, error, path, credentials_of_model(model), shorten=False)
        wrong = {line["loc"][0] for line in error.errors()}
        return model.model_validate({name: value for name, value in given.items() if name not in wrong})
