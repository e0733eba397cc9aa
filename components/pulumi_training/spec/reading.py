"""From wire values to a job: every problem at once, each with its path and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_snake

from .errors import Problem, SpecError
from .job import JobSpec
from .rules import RULES, Rule
from .secrecy import SECRETS

M = TypeVar("M", bound=BaseModel)


def read_job(
    inputs: Mapping[str, object],
    unknown: Collection[str] = (),
    hidden: Collection[str] = (),
    more: Callable[[JobSpec], Mapping[Rule, tuple[str, ...]]] = lambda job: {},
) -> tuple[JobSpec, list[Problem]]:
    """A job and everything wrong with it, as far as its fields alone tell; `more` gives rules beside `RULES`.

    `inputs` are decoded wire values in camelCase; `unknown` names the top-level properties that preview cannot
    know yet, `hidden` those whose values must not be shown. Refused and unknown properties have their defaults
    in the job that is returned, and rules that read them are passed over.
    """
    given = {name: value for name, value in inputs.items() if name not in unknown and value is not None}
    job, problems, refused = _read_partly(JobSpec, given, hidden)
    passed_over = {to_snake(name) for name in (*unknown, *refused)}
    for rule, fields in {**RULES, **more(job)}.items():
        if not passed_over.intersection(fields):
            problems.extend(rule(job))
    return job, problems


def read(model: type[M], inputs: Mapping[str, object], path: str = "") -> M:
    """A small model read whole.

    Raises:
        SpecError: with every problem found, each path below `path`.
    """
    try:
        return model.model_validate(dict(inputs))
    except ValidationError as error:
        raise SpecError(list(problems_of(model, error, path))) from error


def read_partly(
    model: type[M], given: Mapping[str, object], hidden: Collection[str] = ()
) -> tuple[M, list[Problem]]:
    """A model of which no field is required, and everything wrong with it; refused fields have their defaults."""
    found, problems, _ = _read_partly(model, dict(given), hidden)
    return found, problems


def _read_partly(
    model: type[M], given: dict[str, Any], hidden: Collection[str]
) -> tuple[M, list[Problem], set[str]]:
    try:
        return model.model_validate(given), [], set()
    except ValidationError as error:
        problems = list(problems_of(model, error, "", hidden))
        refused = {str(line["loc"][0]) for line in error.errors()}
    rest = {
        name: value for name, value in given.items() if name not in refused and to_snake(name) not in refused
    }
    return model.model_validate(rest), problems, refused


def problems_of(
    model: type[BaseModel],
    error: ValidationError,
    prefix: str,
    hidden: Collection[str] = (),
    *,
    shorten: bool = True,
) -> list[Problem]:
    """The problems that a failed validation found, one for each path below `prefix`.

    Values of `hidden` properties are not shown. Where it is not known whether a value is secret, none may be shortened:
    a part of a secret is not found again by what masks the words.
    """
    found: dict[str, Problem] = {}
    for line in error.errors(include_url=False):
        path = _path(prefix, line["loc"])
        is_hidden = (
            not line["loc"] or line["loc"][0] in hidden or any(step in SECRETS for step in line["loc"])
        )
        plain = _shown(line["input"]) if shorten else repr(line["input"])
        found.setdefault(path, Problem(path, _words(model, line, "the secret value" if is_hidden else plain)))
    return list(found.values())


def path_of(location: tuple[int | str, ...]) -> str:
    """A location of a failed validation as the path of a property."""
    return _path("", location)


def _path(prefix: str, location: tuple[int | str, ...]) -> str:
    path = prefix
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier():
            path += f".{step}" if path else step
        elif step != "[key]":
            path += f'["{step}"]'
    return path


def _words(model: type[BaseModel], line: Any, shown: str) -> str:
    kind, context = line["type"], line.get("ctx", {})
    if kind == "extra_forbidden":
        names = [field.alias or name for name, field in model.model_fields.items()]
        near = difflib.get_close_matches(str(line["loc"][-1]), names, n=1)
        return "there is no such property" + (f"; did you mean {near[0]}?" if near else "")
    if kind == "setting":
        return f"{shown} {context['words']}"
    if kind == "missing":
        return "is missing"
    if kind == "enum":
        return f"{shown} is not one of {context['expected']}"
    if kind in ("int_from_float", "int_parsing", "int_type", "int_parsing_size"):
        return f"{shown} is not a whole number; write one, as 2"
    if kind in ("float_parsing", "float_type"):
        return f"{shown} is not a number; write one, as 2.5"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal"):
        sign = {"greater_than_equal": "at least", "greater_than": "more than", "less_than_equal": "at most"}[
            kind
        ]
        return (
            f"{shown} is out of range; write {sign} {context.get('ge', context.get('gt', context.get('le')))}"
        )
    if kind == "string_type":
        return f"{shown} is not a text; write it in quotes"
    if kind == "string_pattern_mismatch":
        return f"{shown} is not of the form {context['pattern']}"
    if kind in ("bool_parsing", "bool_type"):
        return f"{shown} is neither true nor false"
    if kind in ("list_type", "dict_type", "model_type", "model_attributes_type"):
        wanted = {"list_type": "a list", "dict_type": "a map"}.get(kind, "an object")
        return f"{shown} is not {wanted}"
    return f"{line['msg']} (given {shown})"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
