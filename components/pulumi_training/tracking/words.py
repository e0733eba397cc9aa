"""What MLflow is told of a run, as names and texts. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..record.documents import AttemptDocument, RunDocument
from ..spec.outcome import Status

ATTEMPT_KEY = "training.attempt_key"
"""The tag that an attempt's MLflow run is found by: there is one for each attempt, whoever writes it."""
_TEXT = 5000
"""MLflow takes 6000 characters of a parameter and 8000 of a tag."""
_NAME = 250
_OTHER = re.compile(r"[^\w.\- /:]")
_OPTION = re.compile(r"--?[A-Za-z]")


def attempt_key(run: RunDocument, document: AttemptDocument) -> str:
    """One attempt among all of all stores: run ids of two checkouts may be equal, the time of intent is not."""
    return f"{run.run_id}-a{document.attempt}-{round(document.created_at * 1000)}"


def experiment_of(run: RunDocument) -> str:
    """The experiment that the job names, else its Pulumi project and stack: one server may have runs of many.

    A run that no stack owns has its workspace's name.
    """
    project, stack = run.owner.get("project"), run.owner.get("stack")
    owner = f"{project}/{stack}" if project and stack else None
    return str(run.job.experiment_name or owner or run.workspace or "pulumi-training")


def run_name(run: RunDocument, document: AttemptDocument) -> str:
    """What people call the run."""
    name = str(run.job.display_name or run.run_id)
    return name if document.attempt == 1 else f"{name} (attempt {document.attempt})"


def parameters(run: RunDocument, document: AttemptDocument) -> dict[str, str]:
    """Arguments as `args.<name>`, and what we know as `training.<name>`.

    The prefixes keep them apart from parameters that the script logs itself: MLflow refuses a second value.
    """
    job, compute = run.job, run.job.compute
    found: dict[str, Any] = {f"args.{name}": value for name, value in _arguments(job.arguments)}
    found |= {
        "training.script": job.entry_script or job.command,
        "training.arguments": shlex.join(job.arguments),
        "training.target": compute.target,
        "training.cluster": compute.cluster,
        "training.node_count": job.node_count,
        "training.process_count_per_node": job.process_count_per_node,
        "training.distributed_backend": job.distributed_backend,
        "training.source_digest": run.source_digest,
        "training.run_key": run.run_key,
        "training.git_commit": document.notes.git.get("commit"),
        "training.packages": ", ".join((document.environment or {}).get("packages") or []),
    }
    return {name_of(name): text(value) for name, value in found.items() if value not in (None, "")}


def tags(
    run: RunDocument, document: AttemptDocument, record: str, given: Mapping[str, str]
) -> dict[str, str]:
    """The user's tags, which are `given`, and ours; ours win."""
    job, git = run.job, document.notes.git
    found: dict[str, Any] = {
        **given,
        ATTEMPT_KEY: attempt_key(run, document),
        "training.run_id": run.run_id,
        "training.attempt": document.attempt,
        "training.workspace": run.workspace,
        "training.record": record,
        "training.urn": run.owner.get("urn"),
        "training.project": run.owner.get("project"),
        "training.stack": run.owner.get("stack"),
        "training.status": document.status.value,
        "training.reason": document.outcome.reason.value if document.outcome else None,
        "training.message": document.outcome.message if document.outcome else None,
        "mlflow.runName": run_name(run, document),
        "mlflow.note.content": job.description,
        "mlflow.source.name": job.entry_script or job.command,
        "mlflow.source.type": "JOB",
        "mlflow.source.git.commit": git.get("commit"),
        "mlflow.source.git.branch": git.get("branch"),
    }
    return {name_of(name): text(value) for name, value in found.items() if value not in (None, "")}


def ended_as(status: Status) -> str:
    """MLflow's word for how a run ended: FINISHED, FAILED or KILLED."""
    if status is Status.COMPLETED:
        return "FINISHED"
    return "KILLED" if status is Status.CANCELED else "FAILED"


def name_of(name: str) -> str:
    """A name that MLflow takes."""
    return _OTHER.sub("_", name)[:_NAME] or "_"


def text(value: object) -> str:
    """A text that MLflow takes, cut where it is too long."""
    words = str(value)
    return words if len(words) <= _TEXT else words[: _TEXT - 1] + "…"


def _arguments(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`--epochs 5`, `--epochs=5`, `--verbose` and what stands alone, by name; a name given twice has both values."""
    found: dict[str, list[str]] = {}
    name: str | None = None
    alone = 0
    for word in words:
        if _OPTION.match(word):
            option, has_value, value = word.partition("=")
            name = option.lstrip("-")
            found.setdefault(name, [])
            if has_value:
                found[name].append(value)
                name = None
        elif name is not None:
            found[name].append(word)
            name = None
        else:
            found[str(alone)] = [word]
            alone += 1
    for key, values in found.items():
        yield key, " ".join(values) if values else "true"


def names_by_step(values: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a point: all of it but its place."""
    return {name_of(name): value for name, value in values.items() if name not in ("step", "total")}
