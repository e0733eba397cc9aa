"""What every request says about the resource it is for, as the fields of a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from .handler import Cancellation, urn_parts
from .progress import CallProgress, EngineLog

Fields = dict[str, Any]


def call_fields(request: Any, *values: Mapping[str, Any]) -> Fields:
    """The fields of `Call`; `values` are the property maps of the request, asked for their secrets."""
    from .secrets import secret_texts

    secrets = secret_texts(*values)
    return {"urn": request.urn, "name": name_of(request), "type": type_of(request), "secrets": secrets}


@asynccontextmanager
async def operation_fields(
    request: Any, fields: Fields, log: EngineLog, cancelled: Cancellation
) -> AsyncIterator[Fields]:
    """The fields of `Operation`; all progress has been sent when the block is left."""
    progress = CallProgress(log, request.urn, fields["secrets"])
    try:
        yield {**fields, "progress": progress, "cancelled": cancelled, "timeout": request.timeout or None}
    finally:
        await progress.finish()


def name_of(request: Any) -> str:
    """The resource's name; older engines send it in the URN alone."""
    return request.name or urn_parts(request.urn)[3]


def type_of(request: Any) -> str:
    """The resource's type token; in the URN it stands after those of its parents."""
    return request.type or urn_parts(request.urn)[2].rpartition("$")[2]
