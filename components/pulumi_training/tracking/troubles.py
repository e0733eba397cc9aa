"""What MLflow's errors mean, in words that a person can act on. Knows them by their shape: MLflow is not loaded here."""

from __future__ import annotations

from ..spec.errors import TransientError, shorten

_SILENCE = frozenset({"ConnectionError", "ConnectTimeout", "ReadTimeout"})
"""Of requests, which is MLflow's own affair."""
_LATER = "the run goes on, and MLflow is told later"
_REFUSED = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}


class TrackingError(TransientError):
    """MLflow did not take what it was told; it is told again later."""

    @property
    def warning(self) -> str:
        """The error in words for the record, and what becomes of the run and of MLflow."""
        return f"{self.message}; {_LATER}"


class RunDeleted(TrackingError):
    """Somebody deleted the attempt's MLflow run: MLflow is told no more of it, unless a person asks for that."""

    def __init__(self, where: object, mlflow_run_id: str) -> None:
        super().__init__(f"MLflow run {mlflow_run_id} was deleted in MLflow at {where}")

    @property
    def warning(self) -> str:
        """As of every error; and how MLflow is told all the same."""
        return (
            f"{self.message}; the run goes on, and MLflow is told no more of this attempt. To have it told all the same: "
            "restore the MLflow run, or delete it for good, and run `pulumi-training mlflow --catch-up`"
        )


def trouble(error: Exception, where: object) -> TrackingError:
    """What an error of MLflow, or of the way to it, says about the MLflow at `where`."""
    if is_silence(error):
        return TrackingError(f"MLflow at {where} does not answer")
    refused = _refused(error)
    if refused == 401:
        return TrackingError(
            f"MLflow at {where} asks for a login, and takes none that it was given: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, where `pulumi up` runs, and run it again"
        )
    if refused == 403:
        return TrackingError(
            f"MLflow at {where} does not let this user write the run: ask whoever runs it for the right to edit the "
            "experiment, or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of a user who may, and run "
            "`pulumi up` again"
        )
    first = str(error).strip().splitlines() or [type(error).__name__]
    return TrackingError(f"MLflow at {where} did not take the run: {shorten(first[0], 300)}")


def is_silence(error: BaseException | None) -> bool:
    """Whether nobody answered: what MLflow raises then has the reason as its cause or context."""
    while error is not None:
        if isinstance(error, (ConnectionError, TimeoutError)) or type(error).__name__ in _SILENCE:
            return True
        error = error.__cause__ or error.__context__
    return False


def is_unknown_run(error: Exception, mlflow_run_id: str) -> bool:
    """Whether MLflow itself, and not some page on the way, says that it has no such run."""
    code = getattr(error, "error_code", None)
    return code == "RESOURCE_DOES_NOT_EXIST" and mlflow_run_id in str(error)


def _refused(error: Exception) -> int | None:
    """401 or 403 where the login was at fault; artifacts are refused by requests, the rest by MLflow's own errors."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    code = getattr(error, "error_code", None)
    for number, name in _REFUSED.items():
        if status == number or code == name or f"failed with error code {number} " in str(error):
            return number
    return None
