"""`TrainingJob`: a training run as a resource."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from ..declare.data_reference import DataReference
from ..declare.program import reference_of, secret
from ..spec.arguments import escape, flatten, text_of
from ..spec.errors import Problem, SpecError
from ..version import __version__
from .environment import Environment
from .job_data import JobData
from .property import OutputProperty, given, list_of, mapping_of, output_names, with_secret_password
from .quiet import keep_interrupts_quiet

_SHORTCUTS = (
    "python_version",
    "pip_packages",
    "pip_requirements_file",
    "conda_packages",
    "conda_dependencies_file",
    "conda_channels",
    "conda_fallback",
    "index_url",
    "extra_index_urls",
    "find_links",
    "user_managed",
    "interpreter",
)


keep_interrupts_quiet()


class TrainingJob(pulumi.CustomResource):
    """A training run: environment built, ranks launched, waited for to its true end.

    `pulumi up` is green only when the training was. A failed rank is a failed update that names the rank, its
    node, exit code and last lines; an unchanged tree does nothing; a changed file replaces the job.
    """

    run_id = OutputProperty[str]("The run's id.")
    run_key = OutputProperty[str]("What decides the result, as one digest.")
    source_digest = OutputProperty[str]("The digest of the source tree.")
    attempt = OutputProperty[int]("The newest attempt of the run, from 1.")
    status = OutputProperty[str]("Where the run stands.")
    reason = OutputProperty[str]("Why it ended as it did.")
    failure = OutputProperty[Mapping[str, Any]]("Who failed first, and of what.")
    outputs_location = OutputProperty[str]("Where `./outputs` of the script is kept.")
    logs_location = OutputProperty[str]("Where `./logs` of the script is kept.")
    record_location = OutputProperty[str]("Where the record of the run is kept.")
    metrics = OutputProperty[Mapping[str, float]]("The last value of each metric.")
    files = OutputProperty[Sequence[Mapping[str, Any]]]("The first 100 files of the outputs.")
    file_count = OutputProperty[int]("How many files the outputs have.")
    manifest = OutputProperty[str]("The digest of all output files.")
    git = OutputProperty[Mapping[str, Any]]("The commit of the source, where it is in a git repository.")
    mlflow_run_id = OutputProperty[str]("The attempt's run in MLflow, where the workspace tracks runs.")
    tracking_url = OutputProperty[str]("The page of that run, where a tracking server shows it.")
    reproduce = OutputProperty[str]("The command that repeats the run from its record.")
    environment_lock = OutputProperty[Sequence[str]]("Every installed package with its version.")
    warnings = OutputProperty[Sequence[str]]("What a person should know about the run.")
    submitted_at = OutputProperty[str]("When the attempt was submitted.")
    started_at = OutputProperty[str]("When the script started.")
    ended_at = OutputProperty[str]("When the attempt ended.")
    duration = OutputProperty[float]("From start to end, in seconds.")
    cost = OutputProperty[float]("nodeCount x duration x pricePerNodeHour.")

    def __init__(
        self,
        resource_name: str,
        *,
        compute: object,
        source_directory: pulumi.Input[str] | None = None,
        entry_script: pulumi.Input[str] | None = None,
        command: pulumi.Input[str] | None = None,
        script_params: Mapping[str, object] | None = None,
        arguments: Sequence[object] | None = None,
        environment: object = None,
        python_version: pulumi.Input[str] | None = None,
        pip_packages: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        pip_requirements_file: pulumi.Input[str] | None = None,
        conda_packages: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        conda_dependencies_file: pulumi.Input[str] | None = None,
        conda_channels: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        conda_fallback: pulumi.Input[str] | None = None,
        index_url: pulumi.Input[str] | None = None,
        extra_index_urls: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        find_links: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        user_managed: pulumi.Input[bool] | None = None,
        interpreter: pulumi.Input[str] | None = None,
        custom_docker_image: pulumi.Input[str] | None = None,
        image_registry_details: object = None,
        environment_variables: Mapping[str, object] | None = None,
        secret_environment_variables: Mapping[str, pulumi.Input[str]] | None = None,
        node_count: pulumi.Input[int] | None = None,
        process_count_per_node: pulumi.Input[int] | None = None,
        distributed_backend: pulumi.Input[str] | None = None,
        worker_count: pulumi.Input[int] | None = None,
        parameter_server_count: pulumi.Input[int] | None = None,
        use_gpu: pulumi.Input[bool] | None = None,
        shm_size: pulumi.Input[str] | None = None,
        inputs: Sequence[DataReference] | Mapping[str, object] | None = None,
        outputs: Sequence[DataReference] | Mapping[str, object] | None = None,
        resume_from: pulumi.Input[str] | None = None,
        source_digest: pulumi.Input[str] | None = None,
        triggers: Sequence[object] | None = None,
        source_max_bytes: pulumi.Input[int] | None = None,
        source_max_files: pulumi.Input[int] | None = None,
        max_run_duration_seconds: pulumi.Input[float] | None = None,
        queue_timeout_seconds: pulumi.Input[float] | None = None,
        stall_timeout_seconds: pulumi.Input[float] | None = None,
        grace_period_seconds: pulumi.Input[float] | None = None,
        retries: pulumi.Input[Mapping[str, Any]] | None = None,
        rerun_failed: pulumi.Input[str] | None = None,
        expect: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        metrics_rank: pulumi.Input[int] | None = None,
        wait: pulumi.Input[bool] | None = None,
        on_cancel: pulumi.Input[str] | None = None,
        purge_on_delete: pulumi.Input[bool] | None = None,
        log_output: pulumi.Input[str] | None = None,
        experiment_name: pulumi.Input[str] | None = None,
        display_name: pulumi.Input[str] | None = None,
        description: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a job. The parameters are those of Azure ML's Estimator; `docs/reference.md` describes each.

        Args:
            resource_name: The resource's name, and the first part of the run id unless `name` is given.
            compute: A ComputeCluster, or its `ref`.
            script_params: Arguments by name, flattened in order (`spec.arguments.flatten` has the rules): `True`
                is a flag, a list gives several arguments, a datastore's `as_mount()` stands for a local path.
            arguments: Arguments as a list, after those of `script_params`.
            environment: An Environment, or its `ref`; else the package parameters make one in place.
            inputs: Data beside that of `script_params`: references, or the wire form by name.
            outputs: Folders to deliver, likewise.
            opts: Pulumi's own options.

        The other parameters go to the provider as they are; it checks them all at once, before anything starts.

        Raises:
            SpecError: parameters that contradict one another before the provider could see them.
        """
        props = wire_inputs({name_: value for name_, value in locals().items() if name_ not in _NOT_INPUTS})
        for output in output_names(type(self)):
            props.setdefault(output, None)
        version = pulumi.ResourceOptions(version=__version__)
        super().__init__(
            "training:index:TrainingJob", resource_name, props, pulumi.ResourceOptions.merge(version, opts)
        )


_NOT_INPUTS = frozenset({"self", "__class__", "resource_name", "opts"})
_READ_APART = frozenset(
    {
        "compute", "script_params", "arguments", "environment", "custom_docker_image", "image_registry_details",
        "environment_variables", "secret_environment_variables", "inputs", "outputs", "triggers", "retries",
        *_SHORTCUTS,
    }
)  # fmt: skip


def wire_inputs(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a job by wire name, from the parameters of `TrainingJob` by theirs; those left out are not given.

    Raises:
        SpecError: parameters that contradict one another before the provider could see them.
    """
    shortcuts = {name: parameters.get(name) for name in _SHORTCUTS}
    shortcuts |= {
        "image": parameters.get("custom_docker_image"),
        "image_registry": with_secret_password(parameters.get("image_registry_details")),
    }
    data = JobData()
    data.add(parameters.get("inputs"), "inputs")
    data.add(parameters.get("outputs"), "outputs")
    words = _arguments(mapping_of(parameters, "script_params"), list_of(parameters, "arguments"), data)
    props = given({name: value for name, value in parameters.items() if name not in _READ_APART})
    props["compute"] = reference_of(parameters.get("compute"))
    props |= _environment(parameters.get("environment"), given(shortcuts))
    if words:
        props["arguments"] = words
    if variables := mapping_of(parameters, "environment_variables"):
        props["environmentVariables"] = {
            name: _text(value, data, f"environment_variables[{name!r}]")
            for name, value in variables.items()
            if value is not None
        }
    if hidden := mapping_of(parameters, "secret_environment_variables"):
        props["secretEnvironmentVariables"] = secret(dict(hidden))
    if parameters.get("triggers"):
        props["triggers"] = [_text(trigger, data, "triggers") for trigger in parameters["triggers"]]
    retries = parameters.get("retries")
    if retries is not None:
        props["retries"] = given(retries) if isinstance(retries, Mapping) else retries
    return props | data.to_wire()  # what arguments, variables and triggers referred to is among it


def _arguments(parameters: Mapping[str, object], further: Sequence[object], data: JobData) -> Any:
    """The flat list of arguments; a value that is an Output is flattened when it is known."""
    words: list[Any] = []
    for name, value in parameters.items():
        if isinstance(value, pulumi.Output):
            words.append(value.apply(functools.partial(_known, name)))
            continue
        try:
            words.extend(flatten({name: value}, lambda item: _parameter(item, data)))
        except TypeError as error:
            raise SpecError(Problem(f"script_params[{name!r}]", str(error))) from error
    for value in further:
        words.append(value if isinstance(value, str) else _text(value, data, "arguments"))
    if not any(isinstance(word, pulumi.Output) for word in words):
        return words
    return pulumi.Output.all(*words).apply(_flat)


def _known(name: object, value: object) -> list[str]:
    return flatten({name: value})


def _flat(known: Sequence[object]) -> list[str]:
    return [word for item in known for word in (item if isinstance(item, list) else [item])]


def _parameter(value: object, data: JobData) -> Any:
    """A value of `script_params`: only a data reference refers to data there, text never does."""
    if isinstance(value, DataReference):
        return data.refer(value)
    if isinstance(value, pulumi.Output):
        return value.apply(lambda known: escape(str(known)))
    return escape(text_of(value))


def _text(value: object, data: JobData, path: str) -> Any:
    """A value as the text of one argument; an Output becomes an Output of text. `path` says whose value it is."""
    if isinstance(value, DataReference):
        return data.refer(value)
    if isinstance(value, pulumi.Output):
        return value.apply(str)
    try:
        return value if isinstance(value, str) else text_of(value)
    except TypeError as error:
        raise SpecError(Problem(path, str(error))) from error


_TYPED = {"image": "customDockerImage", "imageRegistry": "imageRegistryDetails"}
"""What a person wrote, where the environment calls it otherwise."""


def _environment(environment: object, shortcuts: dict[str, Any]) -> dict[str, Any]:
    if isinstance(environment, Mapping):
        if shortcuts:
            named = ", ".join(_TYPED.get(name, name) for name in shortcuts)
            raise SpecError(
                Problem("environment", f"is given beside {named}; put those into it, or leave it out")
            )
        return {"environment": given(environment)}
    props: dict[str, Any] = {"environment": shortcuts} if shortcuts else {}
    if environment is not None:
        props["environmentRef"] = environment.ref if isinstance(environment, Environment) else environment
    return props
