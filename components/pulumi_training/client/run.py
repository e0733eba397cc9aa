"""`Run`: a run in Azure ML's words, whether it lives or has long ended and its backend is gone."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..driver.attach import observed
from ..driver.last import last
from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.record import Record
from ..record.store import Store
from ..record.tags import tags_of
from ..spec.errors import Problem, SpecError, TrainingError
from ..spec.outcome import Status
from ..tracking.tracked import read_tracked
from .details import Details, details_of, failure
from .find import RunElsewhere, RunNotFound, find
from .run_files import bring_file, bring_files, file_names

if TYPE_CHECKING:
    from .submission import Submission

_LOOK_SECONDS = 0.1


class Run:
    """One run, through its newest attempt; what it answers comes from its record.

    `after` is the attempt that was the newest when this run was submitted: what counts is a later one, as
    long as `submission` is under way. `is_amended` says that the submission starts nothing: it brings what may
    change in place to a run that counts as it is. `elsewhere` says whose the run is where it was found by a name and is of
    another project or stack: it is looked at, and not changed.
    """

    def __init__(
        self,
        record: Record,
        submission: Submission | None = None,
        after: int = 0,
        *,
        is_amended: bool = False,
        elsewhere: str = "",
    ) -> None:
        self.record = record
        self.submission = submission
        self.after = after
        self.is_amended = is_amended
        self._elsewhere = elsewhere

    @classmethod
    def get(cls, workspace: Any, run_id: str | None = None, *, store: str | None = None) -> Run:
        """The run called `run_id`: its id, a job's name (its newest run) or a unique beginning of an id.

        `Run.get(run_id)` looks in every workspace seen on this machine, `Run.get(workspace, run_id)` in one;
        `store` names a store. An id is found from anywhere. A name means a run of this folder: of the project and stack that
        `pulumi` has here, or of an experiment in one of its stores. A run of another project is answered with a warning, and
        can be changed only if it is asked for by its id.

        Raises:
            RunNotFound: no store has it. AmbiguousRun: several projects, stacks or ids answer to it.
        """
        if run_id is None:
            workspace, run_id = None, str(workspace)
        if workspace is not None and store is None:
            store = str(workspace.ref["store"])
        try:
            found = find(run_id, store)
            if found.note:
                warnings.warn(found.note, stacklevel=2)
            return cls(found.record, elsewhere=found.note)
        except RunNotFound:
            from .submission import pending

            for submission in pending():
                if submission.run_id == run_id:
                    return cls(Record(Store.open(submission.store), run_id), submission)
            raise

    @classmethod
    def get_context(cls, allow_offline: bool = True) -> Any:
        """Inside a script the run it belongs to; outside of any, one that prints what it is told.

        Raises:
            RuntimeError: there is no run, and `allow_offline` is False.
        """
        from ..agent.shim.run_context import Run as Context

        return Context.get_context(allow_offline)

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.run_id

    @property
    def display_name(self) -> str:
        """What people call it: its display name, else its job's name, else its id."""
        if not self.record.exists():
            return self.id
        run = self.record.run_document()
        return str(run.job.display_name or run.name or self.id)

    @property
    def status(self) -> str:
        """See `get_status`."""
        return self.get_status()

    @property
    def tags(self) -> dict[str, str]:
        """See `get_tags`."""
        return self.get_tags()

    def get_status(self) -> str:
        """Where the run stands, in Azure ML's words: `NotStarted`, …, `Completed`, `Failed`, `Canceled`.

        A live run that nobody drives any more is settled by this call.
        """
        document = self._document()
        if document is not None:
            is_retried = document.status.is_terminal and document.notes.will_retry
            return str((Status.NOT_STARTED if is_retried else document.status).value)
        return str((Status.FAILED if self._is_refused() else Status.NOT_STARTED).value)

    def get_details(self) -> Details:
        """What is known of the run, as a dict that answers attributes too: `["status"]` and `.status`."""
        status = self.get_status()
        if self.record.exists():
            return details_of(self.record, status)
        details = Details(
            runId=self.id, target="", status=status, startTimeUtc=None, logFiles={}, properties={}
        )
        if self._is_refused():
            details["error"] = {"error": {"code": "SubmissionFailed", "message": self._refusal()}}
        return details

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = True, raise_on_error: bool = True
    ) -> Details:
        """Waits for the run's true end, its outputs included, and answers its details.

        `show_output` prints the lines of its ranks as they come. Ctrl-C ends the wait; the run goes on.
        `wait_post_processing` is the SDK's, and always so here.

        Raises:
            TrainingError: the run failed, its record is gone, or what changed could not be brought to it, and
                `raise_on_error`. A canceled one is no error, as in the SDK.
        """
        number = self._wait_for_record()
        if number is not None:
            from .follow import to_the_end

            to_the_end(self.record, number, prints=show_output)
        while self.is_amended and self._is_submitting():
            time.sleep(_LOOK_SECONDS)
        details = self.get_details()
        if raise_on_error and details["status"] == Status.FAILED.value:
            raise self._error()
        if raise_on_error and number is None and not self.record.exists():
            raise TrainingError(
                f"run {self.id} has no record in {self.record.store.display}: it was removed, or the run never began; "
                "submit it again"
            )
        if raise_on_error and self.is_amended and self._is_refused():
            raise TrainingError(
                f"run {self.id} is {details['status']}, and could not be brought up to date: {self._refusal()}"
            )
        return details

    def get_file_names(self) -> list[str]:
        """The names of the run's files, as `outputs/model.pkl` and `logs/std/rank-0.log`, sorted."""
        attempt = self._attempt()
        return file_names(attempt) if attempt is not None else []

    def download_file(self, name: str, output_file_path: str | os.PathLike[str] | None = None) -> Path:
        """Brings one file to a path, into a folder, or beside the caller under its own name; returns where it is.

        Raises:
            FileNotInRun: the run has none of that name; the message lists near ones.
            DownloadFailed: it cannot be written there, or was damaged since the run ended.
        """
        return bring_file(self._needed(), name, output_file_path)

    def download_files(
        self,
        prefix: str | None = None,
        output_directory: str | os.PathLike[str] | None = None,
        output_paths: Sequence[str | os.PathLike[str]] | None = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: float | None = None,
    ) -> list[Path]:
        """Brings every file whose name begins with `prefix` below a folder; returns where they are.

        `append_prefix=False` leaves the prefix's folders out of the paths. `batch_size` and `timeout_seconds` are the
        SDK's; nothing follows from them.

        Raises:
            FileNotInRun: no name begins so. DownloadFailed: as for `download_file`.
        """
        return bring_files(
            self._needed(), prefix, output_directory, output_paths=output_paths, append_prefix=append_prefix
        )

    def get_all_logs(self, destination: str | os.PathLike[str] | None = None) -> list[Path]:
        """Brings every log below a folder, the caller's own by default; returns where they are."""
        return bring_files(self._needed(), "logs/", destination)

    def get_metrics(
        self, name: str | None = None, recursive: bool = False, *, rank: int | None = None
    ) -> dict[str, Any]:
        """The values of each metric: one value, or the list of all where there are more.

        They are those of the job's metrics rank, rank 0 unless it says otherwise, or of `rank`. `name` leaves
        out the others; that of a row or a table gives its columns. `recursive` is the SDK's: no run has children.
        """
        from .run_metrics import reported

        document, attempt = self._document(), self._attempt()
        chosen = int(self._spec().get("metricsRank") or 0) if rank is None else rank
        found = reported(attempt, chosen) if attempt is not None else {}
        if not found and rank is None and document is not None:  # of a pruned run the last values are left
            found = dict(document.metrics or {})
        if name is None:
            return found
        columns = {n[len(name) + 1 :]: value for n, value in found.items() if n.startswith(f"{name}.")}
        return {name: found[name]} if name in found else {name: columns} if columns else {}

    def get_tags(self) -> dict[str, str]:
        """The run's labels: those its script gave, those it was declared with, and those given here."""
        if not self.record.exists():
            return {}
        return tags_of(self.record.run_document(), self._attempt())

    def get_properties(self) -> dict[str, str]:
        """What of the run does not change any more: run key, source digest, locations, git commit."""
        return dict(self.get_details()["properties"])

    def tag(self, key: str, value: object = "") -> None:
        """Gives the run a label. A key that a Pulumi program declares is the program's again when its job changes."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Gives the run labels."""
        strange = [key for key in tags if not isinstance(key, str) or not key]
        if strange:
            raise SpecError(Problem("tags", f"{strange[0]!r} is no key; write a text"))
        self._give({key: str(value) for key, value in tags.items()})

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Takes labels away.

        Raises:
            SpecError: `tags` is one text and no list.
        """
        if isinstance(tags, str):
            raise SpecError(Problem("tags", f"is one text; write remove_tags([{tags!r}])"))
        self._give(dict.fromkeys(tags))

    def cancel(self, grace: float | None = None) -> None:
        """Stops the run and returns when nothing of it runs any more; one that ended is left as it is.

        `grace` is the time in seconds that its scripts have to save a checkpoint, the job's own by default.

        Raises:
            TransientError: something of it still runs.
            RunElsewhere: it was found by a name and is of another project or stack.
        """
        from ..driver.stop import cancel

        self._refuse_elsewhere()
        if self._wait_for_record() is not None:
            cancel(self.record, grace=grace)

    def get_portal_url(self) -> str | None:
        """The page of the run's MLflow run where a tracking server shows it, or in its service's portal; else None."""
        document = self._document()
        if document is None:
            return None
        tracked = read_tracked(self.record.attempt(document.attempt))
        url = (tracked.url if tracked else None) or document.notes.portal_url
        return str(url) if url else None

    def show(self, every: float = 1.0) -> None:
        """Shows the run in a notebook, up to date until it has ended; elsewhere prints it once."""
        from .notebook_view import show

        show(self, every)

    def _repr_html_(self) -> str:
        from .notebook_view import html

        return html(self)

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.get_status()})"

    def _document(self) -> AttemptDocument | None:
        """The newest attempt's document, or what is left of it; None while the one submitted is not recorded."""
        found = last(self.record)
        if found is None:
            return None
        if found.document.attempt <= self.after:
            outcome = found.document.outcome
            if self._is_submitting() or (self._is_refused() and outcome is not None and outcome.is_success):
                return None
        if found.is_pruned:
            return found.document
        return observed(self.record, found.attempt, found.document.notes.base)

    def _attempt(self) -> Attempt | None:
        return self.record.newest() if self._document() is not None else None

    def _needed(self) -> Attempt:
        attempt = self._attempt()
        if attempt is None:
            state = "is not recorded yet" if self._is_submitting() else "was pruned, or never started"
            raise TrainingError(f"run {self.id} {state}; there are no files")
        return attempt

    def _spec(self) -> dict[str, Any]:
        return self.record.run_document().spec if self.record.exists() else {}

    def _refuse_elsewhere(self) -> None:
        if self._elsewhere:
            raise RunElsewhere(f"{self._elsewhere}. Nothing was changed; write Run.get({self.id!r})")

    def _give(self, tags: Mapping[str, str | None]) -> None:
        self._refuse_elsewhere()
        if self._wait_for_record() is None and not self.record.exists():
            raise TrainingError(f"run {self.id} was never recorded; it cannot be labelled")
        self.record.update_run(tags={**self.record.run_document().tags, **tags})

    def _wait_for_record(self) -> int | None:
        """The number of the attempt that counts, once it is there; None where there will be none."""
        while (document := self._document()) is None and self._is_submitting():
            time.sleep(_LOOK_SECONDS)
        document = document or self._document()
        newest = self.record.newest() if document is not None else None
        return newest.number if newest is not None else None

    def _is_submitting(self) -> bool:
        return self.submission is not None and not self.submission.is_over()

    def _is_refused(self) -> bool:
        return self.submission is not None and self.submission.failure() is not None

    def _refusal(self) -> str:
        return (self.submission.failure() if self.submission is not None else None) or ""

    def _error(self) -> TrainingError:
        document = self._document()
        outcome = document.outcome if document is not None else None
        if outcome is None:
            return TrainingError(f"run {self.id} could not be submitted: {self._refusal()}")
        attempt = self._attempt()
        return failure(self.id, outcome, f"{attempt.location}/logs" if attempt is not None else None)
