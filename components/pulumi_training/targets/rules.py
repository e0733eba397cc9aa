"""What must hold between a job and its target: what the target cannot do is refused, and its own rules hold.

A refusal names the targets that can, so that nobody has to look for them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from ..spec import reading
from ..spec.environment import EnvironmentSpec
from ..spec.errors import Problem, SpecError
from ..spec.job import JobSpec
from ..spec.rules import Rule
from ..spec.text import joined
from ..spec.tracking import tracking_problem
from ..spec.urls import on_compute
from . import catalog
from .contract.descriptor import Feature, TargetDescriptor

OF_IMAGES = (
    "image",
    "dockerfile",
    "buildContext",
    "imageRegistry",
    "buildArguments",
    "buildSecrets",
    "caBundleInImage",
)
"""Properties of an environment that decide what is in an image, or who may read one."""
_OF_A_DOCKERFILE = ("buildContext", "buildArguments", "buildSecrets")


def read_job(
    inputs: Mapping[str, object], unknown: Collection[str] = (), hidden: Collection[str] = ()
) -> tuple[JobSpec, list[Problem]]:
    """As `spec.reading.read_job`, with the rules of the job's target; one that is not there has none."""
    return reading.read_job(inputs, unknown, hidden, _rules_of)


def not_here(target: TargetDescriptor, feature: Feature) -> str:
    """What the target cannot do, and which targets can."""
    return f"target {target.name} cannot {feature.value}; {_who_can(feature)}"


def environment_problems(
    environment: EnvironmentSpec, target: TargetDescriptor, prefix: str = ""
) -> Iterator[Problem]:
    """What of an environment the target cannot have; paths begin with `prefix`."""
    if Feature.IMAGES not in target.features:
        for name in OF_IMAGES:
            if _is_given(environment, name):
                yield Problem(f"{prefix}{name}", not_here(target, Feature.IMAGES))
    elif not environment.dockerfile:
        for name in _OF_A_DOCKERFILE:
            if _is_given(environment, name):
                words = "is for a Dockerfile, and there is none; name it, or leave this out"
                yield Problem(f"{prefix}{name}", words)
    wanted = environment.platform
    if not wanted or Feature.THIS_MACHINE not in target.features:
        return
    from .platforms import normal_platform, this_platform

    if normal_platform(wanted) != this_platform():
        yield Problem(
            f"{prefix}platform",
            f"{wanted} is not the platform of this machine, {this_platform()}, where target {target.name} runs; "
            f"{_who_can(Feature.IMAGES)}",
        )


def environment_is_possible(job: JobSpec) -> Iterator[Problem]:
    """Images where the target runs them."""
    if job.environment is not None:
        yield from environment_problems(job.environment, _target_of(job), "environment.")


def settings_can_be_read(job: JobSpec) -> Iterator[Problem]:
    """Settings that the target understands, whether it has a use for them or not."""
    compute = job.compute
    if compute is not None and (compute.settings or compute.model_extra):
        from .compute_settings import problems

        yield from problems(compute.settings_given)


def data_is_within_reach(job: JobSpec) -> Iterator[Problem]:
    """Volumes and folders of the compute's machine where the target mounts them."""
    target = _target_of(job)
    if Feature.DATA_ON_COMPUTE in target.features:
        return
    for field, mapping in (("inputs", job.inputs), ("outputs", job.outputs)):
        for name, item in mapping.items():
            if on_compute(item.uri) is not None:
                yield Problem(
                    f"{field}.{name}.uri",
                    f"{item.uri}: {not_here(target, Feature.DATA_ON_COMPUTE)}; give a folder or a URL of an object store",
                )


def tracking_has_a_place(job: JobSpec) -> Iterator[Problem]:
    """A tracking store within reach of the ranks."""
    compute = job.compute
    if compute is None or not compute.tracking_uri:
        return
    is_here = Feature.THIS_MACHINE in _target_of(job).features
    wrong = tracking_problem(compute.tracking_uri, compute.store, is_here=is_here)
    if wrong:
        yield Problem("compute.trackingUri", wrong)


RULES: dict[Rule, tuple[str, ...]] = {
    environment_is_possible: ("environment", "compute"),
    settings_can_be_read: ("compute",),
    data_is_within_reach: ("compute", "inputs", "outputs"),
    tracking_has_a_place: ("compute",),
}
"""Each rule and the fields it reads, as `spec.rules.RULES`."""


def of_target(job: JobSpec) -> list[Problem]:
    """What only the job's target refuses."""
    return [problem for rule in _rules_of(job) for problem in rule(job)]


def _who_can(feature: Feature) -> str:
    able = catalog.supporting(feature)
    return f"{joined(able)} can" if able else "no target of this version can"


def _is_given(environment: EnvironmentSpec, name: str) -> bool:
    return bool(getattr(environment, re.sub(r"[A-Z]", lambda m: "_" + str(m[0]).lower(), name)))


def _rules_of(job: JobSpec) -> Mapping[Rule, tuple[str, ...]]:
    if job.compute is None:
        return {}
    try:
        target = catalog.describe(job.compute.target)
    except SpecError:
        return {}  # whoever looks for the target says so
    own: Mapping[Rule, tuple[str, ...]] = catalog.part(target.rules) if target.rules else {}
    return {**RULES, **own}


def _target_of(job: JobSpec) -> TargetDescriptor:
    assert job.compute is not None
    return catalog.describe(job.compute.target)
