"""`Estimator`: a training run described in Azure ML's words, to be submitted or declared.

Thin by intent: it turns the first and the last SDK's names into the parameters of `TrainingJob`, refuses what
contradicts itself in those words, and leaves every other check to the job's own.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pulumi

from ..spec.errors import Problem, SpecError
from .distributed import Distribution, ParameterServer
from .estimator_words import backend_of, compute_of, one_of, refuse, topology_of
from .property import list_of
from .training_job import TrainingJob


@dataclass(frozen=True)
class ContainerRegistry:
    """Where a private image is pulled from: for `image_registry_details`."""

    address: str
    username: str | None = None
    password: str | None = None


class Estimator:
    """A script, its software and its topology: `Experiment(workspace, "name").submit(estimator)`.

    `parameters` are those of the `TrainingJob` it stands for.
    """

    parameters: Mapping[str, Any]

    def __init__(
        self,
        source_directory: str | None = None,
        *,
        compute_target: object = None,
        vm_size: str | None = None,
        vm_priority: str | None = None,
        entry_script: str | None = None,
        script_params: Mapping[str, object] | None = None,
        node_count: int | None = None,
        process_count_per_node: int | None = None,
        distributed_backend: str | None = None,
        distributed_training: Distribution | None = None,
        use_gpu: bool | None = None,
        use_docker: bool | None = None,
        custom_docker_base_image: str | None = None,
        custom_docker_image: str | None = None,
        image_registry_details: ContainerRegistry | Mapping[str, object] | None = None,
        user_managed: bool | None = None,
        conda_packages: Sequence[str] | None = None,
        pip_packages: Sequence[str] | None = None,
        conda_dependencies_file_path: str | None = None,
        conda_dependencies_file: str | None = None,
        pip_requirements_file_path: str | None = None,
        pip_requirements_file: str | None = None,
        environment_variables: Mapping[str, object] | None = None,
        environment_definition: object = None,
        inputs: Sequence[object] | Mapping[str, object] | None = None,
        source_directory_data_store: object = None,
        shm_size: str | None = None,
        resume_from: object = None,
        max_run_duration_seconds: float | None = None,
        **more: object,
    ) -> None:
        """Takes the parameters of the SDK's Estimator, those of its first and its last version.

        Args:
            source_directory: The folder that is copied into the run; the caller's own by default.
            compute_target: A ComputeCluster.
            script_params: Arguments by name. As on the page, `""` and `None` give the name alone.
            distributed_training: `Mpi(...)`, `Gloo()`, `Nccl()` or `ParameterServer(...)`.
            environment_definition: An Environment, or a mapping of its parameters.
            resume_from: A run, a run id, a folder or a URL of earlier outputs.
            more: Further parameters of `TrainingJob`, as `expect`, `tags` or `retries`.

        Raises:
            SpecError: parameters that contradict one another, or that there are no more.
        """
        refuse(
            vm_size=vm_size, vm_priority=vm_priority, source_directory_data_store=source_directory_data_store
        )
        image = one_of(
            custom_docker_image=custom_docker_image, custom_docker_base_image=custom_docker_base_image
        )
        if use_docker is False and image is not None:
            raise SpecError(
                Problem("useDocker", f"is False beside the image {image!r}; leave one of them out")
            )
        if isinstance(image_registry_details, ContainerRegistry):
            image_registry_details = asdict(image_registry_details)
        self.parameters = _given(
            {
                "compute": compute_of(
                    one_of(compute_target=compute_target, compute=more.pop("compute", None))
                ),
                "source_directory": source_directory or None,
                "entry_script": entry_script,
                "script_params": _parameters(script_params),
                "use_gpu": use_gpu,
                "custom_docker_image": image,
                "image_registry_details": image_registry_details,
                "user_managed": user_managed,
                "conda_packages": conda_packages,
                "pip_packages": pip_packages,
                "conda_dependencies_file": one_of(
                    conda_dependencies_file=conda_dependencies_file,
                    conda_dependencies_file_path=conda_dependencies_file_path,
                ),
                "pip_requirements_file": one_of(
                    pip_requirements_file=pip_requirements_file,
                    pip_requirements_file_path=pip_requirements_file_path,
                ),
                "environment_variables": environment_variables,
                "environment": one_of(
                    environment_definition=environment_definition, environment=more.pop("environment", None)
                ),
                "inputs": inputs,
                "shm_size": shm_size,
                "resume_from": getattr(resume_from, "id", resume_from),
                "max_run_duration_seconds": max_run_duration_seconds,
                **topology_of(node_count, process_count_per_node, distributed_backend, distributed_training),
                **_known(more, type(self).__name__),
            }
        )

    def declare(self, resource_name: str, *, opts: pulumi.ResourceOptions | None = None) -> TrainingJob:
        """The TrainingJob that it stands for, inside a Pulumi program."""
        return TrainingJob(resource_name, **{"compute": None, **self.parameters}, opts=opts)

    def with_parameters(self, **parameters: Any) -> Estimator:
        """The same with other parameters of `TrainingJob`, as `tags`."""
        changed = object.__new__(type(self))
        if "script_params" in parameters:
            parameters["script_params"] = _parameters(parameters["script_params"])
        changed.parameters = {**self.parameters, **_given(_known(parameters, type(self).__name__))}
        return changed

    def __repr__(self) -> str:
        shown = {
            k: v for k, v in self.parameters.items() if k in ("source_directory", "entry_script", "command")
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class _Framework(Estimator):
    """An Estimator that brings a framework's package along."""

    _package: str

    def __init__(self, source_directory: str | None, framework_version: str | None, settings: Any) -> None:
        super().__init__(source_directory, **settings)
        brings_its_own = ("environment", "custom_docker_image", "user_managed", "conda_dependencies_file")
        if any(self.parameters.get(name) for name in brings_its_own):
            if framework_version is not None:
                raise SpecError(
                    Problem(
                        "frameworkVersion",
                        f"{framework_version!r} is given beside software that brings its own; leave it out",
                    )
                )
            return
        packages = list_of(self.parameters, "pip_packages")
        if framework_version is not None or not any(_names(each, self._package) for each in packages):
            packages.insert(0, self._package + (f"=={framework_version}" if framework_version else ""))
        self.parameters = {**self.parameters, "pip_packages": packages}


class PyTorch(_Framework):
    """An Estimator with PyTorch: `torch` is installed, in `framework_version` where one is given."""

    _package = "torch"

    def __init__(
        self, source_directory: str | None = None, *, framework_version: str | None = None, **settings: object
    ) -> None:
        """See `Estimator`; backends are mpi, gloo and nccl."""
        super().__init__(source_directory, framework_version, settings)
        _refuse_backend(self, "tensorflow")


class TensorFlow(_Framework):
    """An Estimator with TensorFlow; with the backend `ps`, workers and parameter servers are its processes."""

    _package = "tensorflow"

    def __init__(
        self,
        source_directory: str | None = None,
        *,
        framework_version: str | None = None,
        worker_count: int | None = None,
        parameter_server_count: int | None = None,
        **settings: object,
    ) -> None:
        """See `Estimator`; backends are mpi and ps, and the counts are those of the whole job."""
        if worker_count is not None or parameter_server_count is not None:
            backend = settings.pop("distributed_backend", None)
            if backend is not None and backend_of(backend) != "tensorflow":
                raise SpecError(
                    Problem("workerCount", f"goes with distributed_backend='ps', and {backend!r} is given")
                )
            if settings.get("distributed_training") is not None:
                raise SpecError(Problem("workerCount", "is said by distributed_training too; give it once"))
            settings["distributed_training"] = ParameterServer(
                1 if worker_count is None else worker_count,
                1 if parameter_server_count is None else parameter_server_count,
            )
        elif backend_of(settings.get("distributed_backend")) == "tensorflow":
            settings.setdefault("distributed_training", ParameterServer())
        super().__init__(source_directory, framework_version, settings)
        _refuse_backend(self, "gloo", "nccl")


class SKLearn(_Framework):
    """An Estimator with scikit-learn, in one process."""

    _package = "scikit-learn"

    def __init__(
        self, source_directory: str | None = None, *, framework_version: str | None = None, **settings: object
    ) -> None:
        """See `Estimator`; there is no topology and no GPU to choose."""
        single = (
            "node_count",
            "process_count_per_node",
            "distributed_backend",
            "distributed_training",
            "use_gpu",
        )
        for name in single:
            if settings.get(name):
                raise SpecError(
                    Problem(name, "is not for SKLearn, which runs one process; use Estimator with "
                            "pip_packages=['scikit-learn'] instead")
                )  # fmt: skip
        super().__init__(source_directory, framework_version, settings)


def _refuse_backend(estimator: Estimator, *refused: str) -> None:
    backend = estimator.parameters.get("distributed_backend")
    if backend in refused:
        raise SpecError(
            Problem(
                "distributedBackend",
                f"{backend!r} is not for {type(estimator).__name__}; use Estimator for it",
            )
        )


def _parameters(given: Mapping[str, object] | None) -> dict[Any, Any] | None:
    """`script_params` by the page's rule: an empty string is no value, so that `{"--flag": ""}` is a flag."""
    if not isinstance(given, Mapping):
        return given  # refused where it is used
    return {
        name: [item for item in value if item != ""]
        if isinstance(value, (list, tuple))
        else None if isinstance(value, str) and not value else value
        for name, value in given.items()
    }  # fmt: skip


def _known(more: Mapping[str, object], who: str) -> dict[str, Any]:
    """The further parameters, all of them TrainingJob's."""
    names = [
        name for name in inspect.signature(TrainingJob).parameters if name not in ("resource_name", "opts")
    ]
    for name in more:
        if name not in names:
            near = difflib.get_close_matches(name, [*names, *inspect.signature(Estimator).parameters], n=1)
            raise SpecError(
                Problem(name, f"is no parameter of {who}" + (f"; did you mean {near[0]}?" if near else ""))
            )
    return dict(more)


def _names(requirement: str, package: str) -> bool:
    """Whether a requirement is of that package."""
    begin = str(requirement).strip().lower().replace("_", "-")
    rest = begin[len(package) :]
    return begin.startswith(package) and (not rest or rest[0] in " =<>!~[;@")


def _given(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
