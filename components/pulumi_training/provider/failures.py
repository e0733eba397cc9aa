"""From an exception to what gRPC carries: the engine does the right thing, the user reads one line.

    InitFailed        UNKNOWN with an ErrorResourceInitFailed detail: the engine keeps the state
    SpecError         INVALID_ARGUMENT, a line for each problem (Check answers a list of failures instead)
    TransientError    UNAVAILABLE
    PermanentError    FAILED_PRECONDITION
    anything else     FAILED_PRECONDITION, type and text; the traceback is in the log file named

UNKNOWN, INTERNAL and DATA_LOSS without a detail make the engine doubt its state file, so nothing else uses
them. Secrets of the call are masked everywhere.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import grpc
from pulumi.runtime.proto import provider_pb2

from ..spec.errors import PermanentError, Problem, SpecError, TrainingError, TransientError, mask, shorten
from . import wire
from .handler import InitFailed
from .status_message import share

DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True)
class Failure:
    """What to abort a request with."""

    code: grpc.StatusCode
    message: str
    details: bytes | None = None

    @property
    def metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The trailing metadata that carries the details."""
        return ((DETAILS_KEY, self.details),) if self.details is not None else ()


def failure_of(
    error: BaseException,
    *,
    what: str,
    secrets: Iterable[str] = (),
    inputs: Mapping[str, object] | None = None,
) -> Failure:
    """The failure for `error`; `what` names the operation (`create of "fit"`), `inputs` are the call's."""
    secrets = tuple(secrets)
    if isinstance(error, InitFailed):
        return _init_failed(error, secrets, inputs or {})
    if isinstance(error, SpecError):
        # No details: the engine would print the value of each property that they name, secrets in the clear.
        return Failure(grpc.StatusCode.INVALID_ARGUMENT, mask(error.message, secrets))
    if isinstance(error, TransientError):
        advice = f"This may pass by itself: try again in {error.retry_after:g} s."
        text = f"{mask(error.message, secrets)}\n{advice}"
        return Failure(grpc.StatusCode.UNAVAILABLE, text)
    if isinstance(error, PermanentError):
        return Failure(grpc.StatusCode.FAILED_PRECONDITION, mask(_with_tail(error), secrets))
    if isinstance(error, TrainingError):
        return Failure(grpc.StatusCode.FAILED_PRECONDITION, mask(error.message, secrets))
    return Failure(grpc.StatusCode.FAILED_PRECONDITION, _unexpected(error, what, secrets))


def masked(problems: Iterable[Problem], secrets: Sequence[str]) -> list[Problem]:
    """The problems without the secrets of the call."""
    return [
        Problem(mask(problem.path, secrets, short=False), mask(problem.message, secrets))
        for problem in problems
    ]


def _init_failed(error: InitFailed, secrets: Sequence[str], inputs: Mapping[str, object]) -> Failure:
    from .secrets import secret_where_store_is

    reasons = [mask(reason, secrets) for reason in error.reasons] or [mask(error.message, secrets)]
    kept = inputs if error.inputs is None else wire.keep_secrets(error.inputs, inputs)
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.id,
        properties=wire.encode(secret_where_store_is(wire.keep_secrets(error.outputs, inputs), inputs)),
        reasons=reasons,
        inputs=wire.encode(kept),
    )
    # The engine goes by the detail; the words here are for whoever reads the wire. Metadata has little room.
    return _detailed(grpc.StatusCode.UNKNOWN, shorten(reasons[0], 1024), detail)


def _detailed(code: grpc.StatusCode, message: str, detail: object) -> Failure:
    status = share().Status(code=code.value[0], message=message)
    status.details.add().Pack(detail)
    return Failure(code, message, status.SerializeToString())


def _with_tail(error: PermanentError) -> str:
    return f"{error.message}\n{error.log_tail}".rstrip() if error.log_tail else error.message


def _unexpected(error: BaseException, what: str, secrets: Sequence[str]) -> str:
    from . import logfile

    words = shorten(mask(f"{type(error).__name__}: {error}", secrets), 1024)
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    file = logfile.append(mask(f"{what}\n{lines}", secrets))
    where = f" The traceback is in {file}." if file else ""
    return f"Unexpected error in {what}: {words.rstrip('.')}.{where}"
