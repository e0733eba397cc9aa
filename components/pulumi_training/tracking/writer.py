"""Writes an attempt to MLflow: found or made, brought up to date as often as one likes, ended."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument, RunDocument
from ..record.files import locked
from ..record.metrics import MetricsReader
from ..record.record import Record
from ..record.tags import tags_of
from ..spec.tracking_variables import PATIENCE
from . import words
from .files import send_folder
from .place import Place
from .tracked import Tracked, read_tracked, write_tracked
from .troubles import RunDeleted, TrackingError, is_silence, is_unknown_run, trouble

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_BATCH = 500
"""MLflow takes 1000 metrics in one request, and 100 parameters or tags."""
_SMALL_BATCH = 90
_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Else MLflow's pages open an experiment as one of chat traces."""
_STARTING_SECONDS = 120.0


class Writer:
    """The MLflow run of one attempt. Every call goes on where the record says that the last one came to."""

    def __init__(self, record: Record, attempt: Attempt, place: Place) -> None:
        self._record = record
        self._attempt = attempt
        self._place = place
        self.tracked = read_tracked(attempt) or Tracked()

    def open(self) -> None:
        """Finds the attempt's MLflow run, or makes it.

        Raises:
            TrackingError: MLflow did not answer as it should.
            RunDeleted: there was an MLflow run, and somebody deleted it.
        """
        with self._speaking() as client:
            self._open(client, self._record.run_document(), self._attempt.document())

    def bring_up_to_date(self, rank: int) -> None:
        """Sends what is new of parameters and of the metrics of `rank`, and opens a run that a rank ended.

        Raises:
            TrackingError: see `open`.
        """
        run, document = self._record.run_document(), self._attempt.document()
        with self._speaking() as client:
            found = self._open(client, run, document)
            run_id = found.info.run_id
            self._send_parameters(client, run_id, run, document)
            self._send_metrics(client, run_id, rank, ended=False)
            # MLflow inside a rank ends the run with its process; the others, and the run, go on.
            if found.info.status != "RUNNING":
                client.update_run(run_id, status="RUNNING")
            self._note(warning=None)

    def end(self, rank: int) -> None:
        """Sends all that is left of an ended attempt, its files too, and says how it ended.

        Raises:
            TrackingError: see `open`.
        """
        run, document = self._record.run_document(), self._attempt.document()
        assert document.outcome is not None
        with self._speaking() as client:
            found = self._open(client, run, document)
            run_id = found.info.run_id
            self._send_parameters(client, run_id, run, document)
            self._send_metrics(client, run_id, rank, ended=True)
            self._send_tags(client, run_id, self._tags(run, document))
            self._send_files(client, found, document)
            ended = round((document.ended_at or time.time()) * 1000)
            client.set_terminated(run_id, words.ended_as(document.status), ended)
            self._note(outcome=document.outcome.reason.value, warning=None)

    def warn(self, message: str, *, is_deleted: bool = False) -> bool:
        """Notes why MLflow lags behind, or is told no more; whether that is news."""
        is_news = self.tracked.warning != message
        self._note(warning=message, is_deleted=is_deleted)
        return is_news

    def take_up_again(self) -> None:
        """Prepares to tell MLflow again of an attempt whose run was deleted, because a person asks for it.

        A run that was restored goes on where it stopped; in place of one that is gone for good there will be another,
        with all that the record has.

        Raises:
            TrackingError: see `open`. RunDeleted: it is deleted, and can still be restored.
        """
        run_id = self.tracked.mlflow_run_id
        if run_id is None:
            return
        with self._speaking() as client:
            try:
                self._found(client, run_id)
            except RunDeleted as error:
                if error.__cause__ is None:
                    raise
                self.tracked = Tracked()
                write_tracked(self._attempt, self.tracked)
            else:
                self._note(is_deleted=False)

    def _open(self, client: MlflowClient, run: RunDocument, document: AttemptDocument) -> Run:
        if self.tracked.mlflow_run_id is not None:
            return self._found(client, self.tracked.mlflow_run_id)
        experiment_id = _experiment(client, words.experiment_of(run), self._place)
        key = words.attempt_key(run, document)
        known = client.search_runs([experiment_id], f"tags.`{words.ATTEMPT_KEY}` = '{key}'", max_results=1)
        found = (
            known[0]
            if known
            else client.create_run(
                experiment_id,
                start_time=round(document.created_at * 1000),
                tags=self._tags(run, document),
                run_name=words.run_name(run, document),
            )
        )
        run_id = str(found.info.run_id)
        page = self._place.page(experiment_id, run_id)
        self._note(mlflow_run_id=run_id, experiment_id=experiment_id, url=page)
        return found

    def _found(self, client: MlflowClient, run_id: str) -> Run:
        """The run as MLflow has it. Raises `RunDeleted`; with a cause where it is gone for good."""
        from mlflow.exceptions import MlflowException

        try:
            found = client.get_run(run_id)
        except MlflowException as error:
            if not is_unknown_run(error, run_id):
                raise
            raise RunDeleted(self._place.display, run_id) from error
        if found.info.lifecycle_stage != "active":
            raise RunDeleted(self._place.display, run_id)
        return found

    def _send_parameters(
        self, client: MlflowClient, run_id: str, run: RunDocument, document: AttemptDocument
    ) -> None:
        from mlflow.entities import Param

        known = set(self.tracked.parameters)
        new = [
            Param(name, value) for name, value in words.parameters(run, document).items() if name not in known
        ]
        for start in range(0, len(new), _SMALL_BATCH):
            client.log_batch(run_id, params=new[start : start + _SMALL_BATCH])
        if new:
            self._note(parameters=sorted(known | {parameter.key for parameter in new}))

    def _tags(self, run: RunDocument, document: AttemptDocument) -> dict[str, str]:
        return words.tags(run, document, self._attempt.location, tags_of(run, self._attempt))

    def _send_tags(self, client: MlflowClient, run_id: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        items = [RunTag(name, value) for name, value in tags.items()]
        for start in range(0, len(items), _SMALL_BATCH):
            client.log_batch(run_id, tags=items[start : start + _SMALL_BATCH])

    def _send_metrics(self, client: MlflowClient, run_id: str, rank: int, *, ended: bool) -> None:
        from mlflow.entities import Metric

        cursor, unnumbered = self.tracked.sent.get(str(rank), [0, 0])
        reader = MetricsReader(self._attempt, rank, cursor=cursor)
        points = reader.read_new(ended=ended)
        if reader.cursor == cursor:
            return
        now = round(time.time() * 1000)
        sending = self.tracked.sending
        if sending is not None and sending[:2] == [rank, reader.cursor]:
            now = sending[2]
        else:
            self._note(sending=[rank, reader.cursor, now])
        metrics: list[Any] = []
        for point in points:
            step = point.step
            if step is None or step != step or abs(step) > 2**53:
                step, unnumbered = float(unnumbered), unnumbered + 1
            for name, value in words.names_by_step(point.values).items():
                metrics.append(Metric(name, value, now, round(step)))
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
        sent = {**self.tracked.sent, str(rank): [reader.cursor, unnumbered]}
        self._note(sent=sent, sending=None)

    def _send_files(self, client: MlflowClient, found: Run, document: AttemptDocument) -> None:
        for name in ("outputs", "logs"):
            send_folder(client, found, self._attempt.folder / name, name)
        packages = (document.environment or {}).get("packages") or []
        if packages:
            client.log_text(found.info.run_id, "\n".join(packages) + "\n", "packages.txt")

    def _note(self, **changes: object) -> None:
        changed = self.tracked.changed(**changes)
        if changed != self.tracked:
            if not self._attempt.exists():
                raise TrackingError(f"the record of {self._attempt.run_id} was removed")
            self.tracked = changed
            write_tracked(self._attempt, changed)

    @contextmanager
    def _speaking(self) -> Iterator[MlflowClient]:
        """A client; whatever MLflow and the way to it raise becomes a TrackingError."""
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise TrackingError(f"MLflow cannot be loaded: {error}; pip install mlflow") from error
        try:
            client = _client(MlflowClient, self._place)
            try:
                yield client
            except MlflowException as error:
                if not is_silence(error) and self.tracked.mlflow_run_id is not None:
                    self._found(
                        client, self.tracked.mlflow_run_id
                    )  # it may have been deleted between two requests
                raise
        except (MlflowException, OSError, TimeoutError) as error:
            raise trouble(error, self._place.display) from error


def _client(kind: type[MlflowClient], place: Place) -> MlflowClient:
    if place.folder is None:
        return kind(tracking_uri=place.uri)
    # Its tables are made once, by one process; ranks find them made.
    place.folder.mkdir(parents=True, exist_ok=True)
    with locked(place.folder / ".starting.lock", timeout=_STARTING_SECONDS):
        return kind(tracking_uri=place.uri)


def _experiment(client: MlflowClient, name: str, place: Place) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage != "active":
        raise TrackingError(
            f"experiment {name!r} was deleted in MLflow at {place.display}: restore it, or name another one by "
            "experiment_name"
        )
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, artifact_location=place.artifacts, tags=_KIND))
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another run made it just now
        if found is None:
            raise
        return str(found.experiment_id)
