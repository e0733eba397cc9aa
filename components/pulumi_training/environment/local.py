"""The environment of a local run: found in the cache, or built into it once for all jobs that share it.

Unpinned packages stay at the versions of the first build until `refresh`, or anything else of the
declaration, changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.errors import PermanentError, SpecError
from ..spec.outcome import Reason
from . import cache as caches
from .digest import Request
from .local_environment import LocalEnvironment

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec

WAITING = "waiting for another build of this environment"


def ensure(
    spec: EnvironmentSpec,
    *,
    source: Path,
    needs_mpi: bool,
    needs_mpi4py: bool,
    progress: Callable[[str], None],
    cache: Path | None = None,
) -> LocalEnvironment:
    """Finds the environment in the cache (milliseconds, no network, no process) or builds it.

    One process builds a digest at a time, the others wait for it. `progress` gets short lines; an exception
    out of it ends the build, and nothing half-made stays. `cache` is the folder TRAINING_CACHE_DIR names.

    Raises:
        SpecError: a requirement does not parse, a file is missing, the interpreter does not exist.
        PermanentError: `Reason.ENVIRONMENT_FAILED` with the resolver's own words.
    """
    if spec.user_managed:
        from . import user_managed

        return user_managed.ensure(
            spec, source=source, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py, cache=cache
        )
    request = Request(spec, source, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py)
    prefix = caches.prefix_of(request.digest, cache)
    found = _cached(prefix, request)
    if found is not None:
        return found
    return _built(request, prefix, progress, cache)


def find(
    spec: EnvironmentSpec,
    source: Path,
    *,
    needs_mpi: bool,
    needs_mpi4py: bool,
    cache: Path | None = None,
) -> LocalEnvironment | None:
    """The environment if it is there already; nothing is built.

    Raises:
        SpecError: as `ensure`.
    """
    if spec.user_managed:
        from . import user_managed

        return user_managed.ensure(
            spec, source=source, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py, cache=cache
        )
    request = Request(spec, source, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py)
    return _cached(caches.prefix_of(request.digest, cache), request)


def _cached(prefix: Path, request: Request) -> LocalEnvironment | None:
    kept = caches.read(prefix)
    if kept is None or kept.digest != request.digest:
        return None
    if request.needs_mpi and kept.mpirun is None:
        return None  # its launcher did not work, and nobody needed one; the build says what is wrong
    caches.touch(prefix)
    return _result(prefix, kept, was_cached=True)


def _built(
    request: Request, prefix: Path, progress: Callable[[str], None], cache: Path | None
) -> LocalEnvironment:
    from . import build, checks

    found = checks.problems(request.spec, request.source)
    if found:
        raise SpecError(found)
    try:
        with caches.building(prefix, on_wait=lambda: progress(WAITING)) as descriptor:
            other = _cached(prefix, request)  # the build that was waited for
            if other is not None:
                return other
            log = caches.log_of(request.digest, cache)
            kept = build.build(request, prefix, log, progress, descriptor)
    except OSError as error:  # those of the installation itself are told by `build`
        raise PermanentError(
            Reason.ENVIRONMENT_FAILED,
            f"The folder of environments {prefix.parent} cannot be used: {error}. "
            "Set TRAINING_CACHE_DIR to a folder that this user may write to.",
        ) from error
    try:
        caches.prune(cache)
    except OSError as error:  # no reason to refuse the environment that was built
        progress(f"An old environment could not be removed: {error}")
    return _result(prefix, kept, was_cached=False)


def _result(prefix: Path, kept: caches.CachedEnvironment, *, was_cached: bool) -> LocalEnvironment:
    return LocalEnvironment(
        prefix=prefix,
        python=prefix / "bin" / "python",
        mpirun=prefix / kept.mpirun if kept.mpirun else None,
        mpi=kept.mpi,
        digest=kept.digest,
        packages=kept.packages,
        warnings=kept.warnings,
        was_cached=was_cached,
    )
