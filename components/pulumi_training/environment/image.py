"""The environment of a run in containers: an image found by its digest, or built once for all jobs that share it.

A hit is one question to the daemon: no build, no pull, no container. Unpinned packages stay at the versions of
the first build until `refresh`, or anything else of the declaration, changes; a base image whose tag has moved
since is told as a warning.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec.errors import PermanentError, Problem, SpecError
from ..spec.outcome import Reason
from ..spec.refusals import advice, is_of_this_machine
from . import cache as caches
from . import image_tags, registry
from .image_probe import ImageFacts, demand, kept_facts, probe
from .image_pull import pull_image
from .image_request import ImageRequest

if TYPE_CHECKING:
    from docker import DockerClient

    from ..spec.environment import EnvironmentSpec

WAITING = "waiting for another build of this image"


@dataclass(frozen=True)
class ImageEnvironment:
    """An image ready to run in.

    `image` is what a container is started from: `repository@sha256:...` where it was pushed, else its id on the
    daemon. `python` and `mpirun` are absolute paths inside; `mpi` is one of openmpi5, openmpi4, mpich, intel.
    `packages` are the versions that are in it, `log` the whole output of its newest build on this machine.
    """

    image: str
    digest: str
    python: str
    python_version: str
    mpirun: str | None
    mpi: str | None
    packages: tuple[str, ...]
    warnings: tuple[str, ...]
    was_cached: bool
    log: Path | None = None


def ensure_image(
    spec: EnvironmentSpec,
    *,
    source: Path,
    needs_mpi: bool,
    needs_mpi4py: bool,
    client: DockerClient,
    progress: Callable[[str], None],
    secrets: Mapping[str, str] | None = None,
    cache: Path | None = None,
) -> ImageEnvironment:
    """Finds the image on the daemon or in its repository, or builds it there; one process a digest at a time.

    `secrets` are values for the Dockerfile's secret mounts, by id, over those of the spec. An exception out of
    `progress` ends the build, and nothing half-made is found later.

    Raises:
        SpecError: a requirement does not parse, a file is missing, or the classic builder is asked for a secret.
        PermanentError: `IMAGE_PULL_FAILED`, `IMAGE_BUILD_FAILED`, or `ENVIRONMENT_FAILED` for an image that lacks
            what the run needs.
    """
    if spec.user_managed and not spec.dockerfile:
        return _used_as_is(spec, needs_mpi, needs_mpi4py, client, progress, cache)
    request = ImageRequest(spec, source, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py)
    found = _on_daemon(request, client, cache)
    if found is not None:
        return found
    _refuse_problems(spec, source)
    from . import image_build

    lock = caches.root(cache).parent / "images" / request.digest[:32]
    log = log_of(request.digest, cache)
    with _of_this_machine():
        lock.parent.mkdir(parents=True, exist_ok=True)
        with caches.building(lock, on_wait=lambda: progress(WAITING)):
            found = _on_daemon(request, client, cache)
            if found is not None:  # the build that was waited for
                return found
            facts, reference, was_built = image_build.make(
                request, client, log, progress, dict(secrets or {}), cache=cache
            )
    return _result(
        request,
        facts,
        reference,
        digest=request.digest,
        log=log if was_built and log.exists() else None,
        was_cached=not was_built,
    )


def find_image(
    spec: EnvironmentSpec,
    source: Path,
    *,
    needs_mpi: bool,
    needs_mpi4py: bool,
    client: DockerClient,
    cache: Path | None = None,
) -> ImageEnvironment | None:
    """The image if the daemon has it and it is known what is in it; nothing is pulled, built or started.

    Raises:
        SpecError: as `ensure_image`.
    """
    if spec.user_managed and not spec.dockerfile:
        return _kept_as_is(spec, needs_mpi, needs_mpi4py, client, cache)
    request = ImageRequest(spec, source, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py)
    return _on_daemon(request, client, cache)


def log_of(digest: str, cache: Path | None = None) -> Path:
    """The log of the newest build of a digest."""
    return caches.root(cache).parent / "images" / "logs" / f"{digest[:32]}.log"


@contextmanager
def _of_this_machine() -> Iterator[None]:
    """Tells a full disk of this machine, where a build is prepared, from a daemon that does not answer."""
    try:
        yield
    except OSError as error:
        if not is_of_this_machine(error):
            raise
        place = error.filename or tempfile.gettempdir()
        words = advice(error, "other folders, by TMPDIR and TRAINING_CACHE_DIR")
        raise PermanentError(
            Reason.IMAGE_BUILD_FAILED, f"The image could not be prepared on this machine: {place}: {words}"
        ) from error


def _on_daemon(request: ImageRequest, client: DockerClient, cache: Path | None) -> ImageEnvironment | None:
    for tag in request.tags:
        image = image_tags.find(client, tag)
        if image is None:
            continue
        facts = image_tags.facts_of(image)
        if facts is None:
            continue
        reference = _reference(request, image)
        if reference is None:
            continue
        digest = tag.rpartition(":")[2]
        log = log_of(digest, cache)
        return _result(
            request,
            facts,
            reference,
            digest=digest,
            log=log if log.exists() else None,
            was_cached=True,
            warnings=_moved_base(request, image, client),
        )
    return None


def _reference(request: ImageRequest, image: Any) -> str | None:
    """What the image is started by; None where it is to be in a repository and was not pushed there yet."""
    repository = request.spec.image_repository
    return registry.digest_in(image, repository) if repository else str(image.id)


def _moved_base(request: ImageRequest, image: Any, client: DockerClient) -> tuple[str, ...]:
    if request.context is not None:
        return ()
    base = image_tags.find(client, request.base)
    before = (image.labels or {}).get(image_tags.BASE_ID_LABEL)
    if base is None or not before or base.id == before:
        return ()
    return (
        f"the base image {request.base} is another one than when this environment was built; "
        "give `refresh` another text to build on the new one",
    )


def _result(
    request: ImageRequest,
    facts: ImageFacts,
    reference: str,
    *,
    digest: str,
    log: Path | None,
    was_cached: bool,
    warnings: tuple[str, ...] = (),
) -> ImageEnvironment:
    assert facts.python is not None
    return ImageEnvironment(
        image=reference,
        digest=digest,
        python=facts.python,
        python_version=facts.python_version,
        mpirun=facts.mpirun,
        mpi=facts.mpi,
        packages=facts.packages,
        warnings=(*request.packages.pip.warnings, *warnings),
        was_cached=was_cached,
        log=log,
    )


def _used_as_is(
    spec: EnvironmentSpec,
    needs_mpi: bool,
    needs_mpi4py: bool,
    client: DockerClient,
    progress: Callable[[str], None],
    cache: Path | None,
) -> ImageEnvironment:
    name = _named(spec)
    image = image_tags.find(client, name, platform=spec.platform)
    kept = image is not None and kept_facts(image.id, interpreter=spec.interpreter, cache=cache) is not None
    if image is None:
        pull_image(client, name, spec, progress)
    if not kept:
        progress(f"Looking into {name}")
    facts = probe(client, name, interpreter=spec.interpreter, platform=spec.platform, cache=cache)
    demand(facts, name, interpreter=spec.interpreter, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py)
    return _as_is(client.images.get(name), facts, was_cached=kept)


def _kept_as_is(
    spec: EnvironmentSpec, needs_mpi: bool, needs_mpi4py: bool, client: DockerClient, cache: Path | None
) -> ImageEnvironment | None:
    name = _named(spec)
    image = image_tags.find(client, name, platform=spec.platform)
    facts = kept_facts(image.id, interpreter=spec.interpreter, cache=cache) if image is not None else None
    if image is None or facts is None:
        return None
    demand(facts, name, interpreter=spec.interpreter, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py)
    return _as_is(image, facts, was_cached=True)


def _as_is(image: Any, facts: ImageFacts, *, was_cached: bool) -> ImageEnvironment:
    assert facts.python is not None
    digests = image.attrs.get("RepoDigests") or ()
    return ImageEnvironment(
        image=str(digests[0]) if digests else str(image.id),
        digest=str(image.id).rpartition(":")[2],
        python=facts.python,
        python_version=facts.python_version,
        mpirun=facts.mpirun,
        mpi=facts.mpi,
        packages=facts.packages,
        warnings=(),
        was_cached=was_cached,
    )


def _named(spec: EnvironmentSpec) -> str:
    if not spec.image:
        raise SpecError(
            Problem("environment.image", "a user managed environment in containers is an image; name it")
        )
    return registry.qualified(spec.image, spec.image_registry)


def _refuse_problems(spec: EnvironmentSpec, source: Path) -> None:
    from .image_request import problems

    found = problems(spec, source)
    if found:
        raise SpecError(found)
