"""`ScriptRunConfig`: the last SDK's way to describe a run; the same job as an Estimator's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..declare.data_reference import DataReference
from ..spec.arguments import text_of
from ..spec.errors import Problem, SpecError
from .distributed import Distribution
from .estimator import Estimator
from .property import list_of


class ScriptRunConfig(Estimator):
    """A script or a command with its arguments, its software and its topology."""

    def __init__(
        self,
        source_directory: str | None = None,
        script: str | None = None,
        arguments: Sequence[Any] | None = None,
        *,
        command: str | Sequence[str] | None = None,
        compute_target: Any = None,
        environment: Any = None,
        distributed_job_config: Distribution | None = None,
        max_run_duration_seconds: float | None = None,
        docker_runtime_config: Any = None,
        **more: Any,
    ) -> None:
        """Takes the SDK's parameters, and further ones of `TrainingJob`.

        Args:
            script: The script to run, relative to the source directory.
            command: A shell command in place of a script; a list is quoted and joined.
            environment: An Environment, or a mapping of its parameters.
            distributed_job_config: `MpiConfiguration`, `PyTorchConfiguration` or `TensorflowConfiguration`.

        Raises:
            SpecError: parameters that contradict one another, or that there are no more.
        """
        if docker_runtime_config is not None:
            raise SpecError(
                Problem(
                    "dockerRuntimeConfig",
                    "the target says whether there are containers; shm_size= sets theirs",
                )
            )
        if command is not None and not isinstance(command, str):
            import shlex

            command = shlex.join(_word(word) for word in command)
        super().__init__(
            source_directory,
            compute_target=compute_target,
            entry_script=script,
            distributed_training=distributed_job_config,
            max_run_duration_seconds=max_run_duration_seconds,
            environment_definition=environment,
            **{
                "command": command,
                "arguments": list_of({"arguments": arguments}, "arguments") or None,
                **more,
            },
        )


def _word(word: object) -> str:
    """A word of a command. Data comes into one by an environment variable or by `arguments`, for it has to be named.

    Raises:
        SpecError: it has no text of its own.
    """
    if isinstance(word, DataReference):
        raise SpecError(
            Problem(
                "command",
                f"{word.name} is data, which a list of words has no place for; give it in inputs=, and write "
                f"{word.argument} in a command of one text",
            )
        )
    try:
        return word if isinstance(word, str) else text_of(word)
    except TypeError as error:
        raise SpecError(Problem("command", str(error))) from error
