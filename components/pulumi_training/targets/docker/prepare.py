"""The image of a run, with what a plan must know of it."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract.run import Prepared, RunSpec
from ..contract.target import Tell
from .engine import config_of, cores
from .settings import container_settings

if TYPE_CHECKING:
    import docker

    from ...environment.image import ImageEnvironment

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What the engine itself gives a container whose image says nothing."""


_HYDRA = ("mpich", "intel")
"""Their launchers do not lead ranks to their libraries, as Open MPI's does."""


def prepare(client: docker.DockerClient, address: Mapping[str, str], run: RunSpec, tell: Tell) -> Prepared:
    """Builds or pulls the image, or finds it.

    Raises:
        SpecError: a setting of the cluster cannot be read.
        PermanentError: with ImageBuildFailed, ImagePullFailed or EnvironmentFailed.
    """
    from ...environment.image import ensure_image

    container_settings(run.compute, run.job.shm_size)
    spec, source = _environment_of(run)
    environment = ensure_image(
        spec,
        source=source,
        needs_mpi=run.job.is_distributed,
        needs_mpi4py=needs_mpi4py(run),
        client=client,
        progress=tell,
    )
    return _prepared(client, address, environment)


def find_prepared(client: docker.DockerClient, address: Mapping[str, str], run: RunSpec) -> Prepared | None:
    """What `prepare` would answer, where the daemon has the image."""
    from ...environment.image import find_image

    spec, source = _environment_of(run)
    environment = find_image(
        spec, source, needs_mpi=run.job.is_distributed, needs_mpi4py=needs_mpi4py(run), client=client
    )
    return _prepared(client, address, environment) if environment else None


def needs_mpi4py(run: RunSpec) -> bool:
    """Scripts are started by `python -m mpi4py`, so that an exception aborts all ranks; commands are not."""
    return run.document["distributedBackend"] == "mpi" and run.document["entryScript"] is not None


def _environment_of(run: RunSpec) -> tuple[Any, Path]:
    """What to install, and the folder its files are relative to."""
    from ...environment.beside import environment_of
    from ...spec.environment import EnvironmentSpec

    ref = run.job.environment_ref
    if ref is not None:
        return ref.spec, (run.base / ref.source_directory).resolve()
    root = (run.base / run.job.source_directory).resolve()
    return environment_of(run.job.environment or EnvironmentSpec(), root, run.folder)


def _prepared(
    client: docker.DockerClient, address: Mapping[str, str], environment: ImageEnvironment
) -> Prepared:
    config = config_of(client, environment.image)
    variables = dict(line.partition("=")[::2] for line in config.get("Env") or [])
    path = variables.get("PATH") or _PATH
    settings = {
        "image": environment.image,
        "python": environment.python,
        "python_version": environment.python_version,
        "path": path,
        "user": str(config.get("User") or ""),
        "cores": str(cores(client, address)),
    }
    if environment.mpirun is not None and environment.mpi is not None:
        settings |= {"mpirun": environment.mpirun, "mpi": environment.mpi}
        libraries = f"{posixpath.dirname(posixpath.dirname(environment.mpirun))}/lib"
        if environment.mpi in _HYDRA and libraries not in ("/usr/lib", "/lib"):
            own = variables.get("LD_LIBRARY_PATH")
            settings["libraries"] = f"{libraries}:{own}" if own else libraries
    return Prepared(settings, {}, environment.digest, environment.packages, tuple(environment.warnings))
