"""`Experiment`: runs under one name, submitted from a notebook or declared in a Pulumi program."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..declare.program import is_in_program
from ..resources.estimator import Estimator
from ..resources.property import mapping_of
from ..spec.advice import idle_gpus
from ..spec.errors import Problem, SpecError, TrainingError
from ..spec.names import distinct, suggest
from ..spec.times import iso
from ..spec.urls import without_credentials

if TYPE_CHECKING:
    from ..record.runs import UnreadableRun
    from .experiment_declared import DeclaredRun
    from .run import Run
    from .submission_check import Checked

_CHANGEABLE = ("script_params", "inputs")


class Experiment:
    """Runs of one purpose in a workspace. Nothing is made before the first run; the workspace is referred to, not owned.

    In a notebook or a script each run is a Pulumi stack of its own in a project of the experiment's, kept in this
    user's own file backend; no submission blocks or deletes another.
    """

    def __init__(self, workspace: object, name: str) -> None:
        """Takes a Workspace, and any name.

        Raises:
            SpecError: the name is empty, or the workspace is none.
        """
        if not isinstance(name, str) or not name.strip():
            raise SpecError(Problem("name", f"{name!r} is no name for an experiment; write one, as 'digits'"))
        if not hasattr(workspace, "ref"):
            raise SpecError(
                Problem(
                    "workspace", f"{workspace!r} is no workspace; write target.Workspace('lab') and pass that"
                )
            )
        self.workspace = workspace
        self.name = name.strip()
        self._declared = 0

    def submit(
        self,
        config: Estimator,
        tags: Mapping[str, str] | None = None,
        *,
        name: str | None = None,
        force: bool = False,
        **changes: object,
    ) -> Run | DeclaredRun:
        """Submits an estimator, or a ScriptRunConfig, and returns its run.

        In a notebook or a script it is checked at once and returns while the engine is still starting; what did
        not change since it completed, or lives, is not run again: that run is returned, and it is said. In a
        Pulumi program it declares a TrainingJob, and the members of the run are Outputs.

        Args:
            config: What to run.
            tags: Labels of the run, beside those of `config`.
            name: The job's name, the first part of the run id; made of the experiment's name by default. In a
                program further submissions are `<name>-2` and so on, unless they are named.
            force: Run again what did not change.
            changes: `script_params` or `inputs` in place of those of `config`.

        Raises:
            SpecError: with every problem found.
            TrainingError: there is no pulumi.
        """
        estimator = _as_estimator(config, changes)
        labels = {**mapping_of(estimator.parameters, "tags"), **mapping_of({"tags": tags}, "tags")}
        more = {"experiment_name": self.name, **({"tags": labels} if labels else {})}
        estimator = estimator.with_parameters(**more)
        if is_in_program():
            return self._declare(estimator, name)
        return self._submit(estimator, name or estimator.parameters.get("name") or suggest(self.name), force)

    def get_runs(self) -> list[Run]:
        """The experiment's runs, the newest first, those that are being submitted among them.

        Raises:
            TrainingError: in a Pulumi program, which declares runs and does not look at them.
        """
        if is_in_program():
            raise TrainingError(
                "a Pulumi program only declares its runs; Experiment.get_runs() is for a notebook or a script"
            )
        from ..record.record import Record
        from ..record.runs import runs
        from ..record.store import Store
        from .run import Run
        from .submission import pending

        store = Store.open(self.workspace.ref["store"], base=Path.cwd())
        under_way = {
            each.run_id: each
            for each in pending(distinct(self.name))
            if each.store == without_credentials(store.url)
        }
        found = [
            Run(Record(store, summary.run.run_id))
            for summary in runs(store, _passed_over)
            if summary.run.job.experiment_name == self.name
        ]
        known = {run.id for run in found}
        coming = [
            Run(Record(store, run_id), each) for run_id, each in under_way.items() if run_id not in known
        ]
        return [*coming, *found]

    def __repr__(self) -> str:
        return f"Experiment({self.name!r})"

    def _declare(self, estimator: Estimator, name: str | None) -> DeclaredRun:
        import pulumi

        from .experiment_declared import DeclaredRun

        self._declared += 1
        number = f"-{self._declared}" if self._declared > 1 else ""
        chosen = name or suggest(self.name)[: 40 - len(number)] + number
        job = estimator.declare(chosen)
        _advise_when_known(estimator, pulumi.log.warn)
        return DeclaredRun(job)

    def _submit(self, estimator: Estimator, name: str, force: bool) -> Run:
        from ..driver.last import last
        from . import submission
        from .run import Run
        from .submission_check import checked

        base = Path.cwd()
        self._refuse_other_workspace(estimator)
        # Nobody waits in the process that submits: the run is followed by its record.
        found = checked({**estimator.parameters, "wait": False}, name, self.name, base)
        advice = idle_gpus(found.inputs)
        if advice:
            warnings.warn(advice, stacklevel=3)
        known = last(found.record)
        if known is None:
            # Its stack may say that it completed, and the record is gone: that is seen only by who looks.
            again = submission.was_submitted(found)
            return Run(found.record, submission.start(found, base, refresh=again))
        document = known.document
        is_live = not document.is_over
        if not force and (is_live or (document.outcome is not None and document.outcome.is_success)):
            changed = _changed(found)
            print(_words(found.record.run_id, document, is_live, changed), flush=True)
            if not changed:
                return Run(found.record)
            return Run(found.record, submission.start(found, base), is_amended=True)
        started = submission.start(found, base, refresh=not force, replace=force)
        return Run(found.record, started, document.attempt)

    def _refuse_other_workspace(self, estimator: Estimator) -> None:
        compute = estimator.parameters.get("compute")
        theirs = getattr(compute, "ref", compute)
        own = self.workspace.ref
        if not isinstance(theirs, Mapping) or not isinstance(own, Mapping):
            return
        for field in ("target", "workspace", "store"):
            if theirs.get(field) != own.get(field):
                raise SpecError(
                    Problem(
                        "compute",
                        f"the cluster's {field} is {theirs.get(field)!r}, the experiment's {own.get(field)!r}; "
                        "take both from one workspace",
                    )
                )


def _as_estimator(config: object, changes: Mapping[str, object]) -> Estimator:
    if not isinstance(config, Estimator):
        what = (
            f"the class {config.__name__} itself"
            if isinstance(config, type)
            else f"a {type(config).__name__}"
        )
        raise SpecError(
            Problem(
                "config",
                f"{what} cannot be submitted; make an Estimator, PyTorch, TensorFlow, SKLearn or ScriptRunConfig "
                "and pass that",
            )
        )
    refused = [name for name in changes if name not in _CHANGEABLE]
    if refused:
        raise SpecError(
            Problem(
                refused[0],
                f"cannot be changed at submit, only {' and '.join(_CHANGEABLE)}; give it to the estimator",
            )
        )
    return config.with_parameters(**changes) if changes else config


def _changed(found: Checked) -> list[str]:
    spec = found.record.run_document().spec if found.record.exists() else {}
    return found.differs_in_place(spec)


def _words(run_id: str, document: Any, is_live: bool, changed: list[str]) -> str:
    where = f"it is {document.status.value}" if is_live else f"it completed at {iso(document.ended_at)}"
    if changed:
        return f"{run_id} is this run already, {where}; brought up to date: {', '.join(changed)}"
    return f"nothing changed since {run_id} was submitted, and {where}: this is that run. force=True runs it again"


def _advise_when_known(estimator: Estimator, tell: Any) -> None:
    """Warns of GPUs left idle, once the cluster is known."""
    import pulumi

    def advise(compute: Any) -> None:
        parameters = estimator.parameters
        words = idle_gpus(
            {
                "compute": compute,
                "useGpu": parameters.get("use_gpu"),
                "nodeCount": parameters.get("node_count", 1),
                "processCountPerNode": parameters.get("process_count_per_node", 1),
                "distributedBackend": parameters.get("distributed_backend"),
            }
        )
        if words:
            tell(words)

    compute = estimator.parameters.get("compute")
    pulumi.Output.from_input(getattr(compute, "ref", compute)).apply(advise)


def _passed_over(run: UnreadableRun) -> None:
    warnings.warn(f"run {run.run_id} is passed over: {run.message}", stacklevel=3)
