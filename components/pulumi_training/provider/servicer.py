"""The gRPC face of the package: each request becomes a call on a handler, each failure a clean status.

Construct is the SDK's own (`pulumi.provider.server`); the rest is here, because the SDK's provider classes
cannot carry unknowns or a failure that keeps its state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, provider_pb2

from ..spec.errors import SpecError, mask
from . import answers, wire
from .calls import Fields, call_fields, operation_fields
from .failures import masked
from .handler import (
    Cancellation,
    CheckAnswer,
    CheckCall,
    CreateCall,
    DeleteCall,
    DiffCall,
    ReadCall,
    ResourceHandler,
    UpdateCall,
)
from .plugin import PluginServicer
from .pool import short

Short = Callable[[ResourceHandler], Awaitable[Any]]
Long = Callable[[ResourceHandler, Fields], Awaitable[Any]]


class TrainingServicer(PluginServicer):
    """Check, diff, create, update, read and delete, by type token."""

    async def Check(self, request: Any, context: Any) -> Any:
        """Defaults and validation; problems are answered, not raised."""
        given, olds = wire.decode(request.news), wire.decode(request.olds)
        fields = call_fields(request, given, olds)
        call = CheckCall(**fields, inputs=given, old_inputs=olds or None)

        async def work(handler: ResourceHandler) -> Any:
            try:
                answer = await handler.check(call)
            except SpecError as error:
                answer = CheckAnswer(given, error.problems)
            # All that is marked, also what elsewhere says nothing: a refusal repeats what it was given.
            secrets = (*call.secrets, *wire.unwrap_secrets(given)[1])
            for words in answer.warnings:
                await self.log.send(mask(words, secrets), urn=call.urn, severity=engine_pb2.WARNING)
            return answers.check_response(answer, given, masked(answer.problems, secrets))

        return await self._short(context, "check", fields, work)

    async def Diff(self, request: Any, context: Any) -> Any:
        """New inputs against old inputs; an engine that sends no old inputs has the outputs compared."""
        olds, news = wire.decode(request.olds), wire.decode(request.news)
        old_inputs = wire.decode(request.old_inputs) if request.HasField("old_inputs") else olds
        fields = call_fields(request, news, old_inputs, olds)
        call = DiffCall(
            **fields,
            id=request.id,
            old_inputs=old_inputs,
            old_outputs=olds,
            inputs=news,
        )

        async def work(handler: ResourceHandler) -> Any:
            return answers.diff_response(await handler.diff(call))

        return await self._short(context, "diff", fields, work)

    async def Create(self, request: Any, context: Any) -> Any:
        """Makes the resource, or in preview tells what is known of it."""
        inputs = wire.decode(request.properties)

        async def work(handler: ResourceHandler, operation: Fields) -> Any:
            answer = await handler.create(CreateCall(**operation, inputs=inputs, preview=request.preview))
            if not answer.id and not request.preview:
                raise ValueError("the resource was made without an id")
            return provider_pb2.CreateResponse(
                id=answer.id, properties=_outputs(answer.outputs, inputs, inputs)
            )

        return await self._long(request, context, "create", call_fields(request, inputs), work, inputs)

    async def Update(self, request: Any, context: Any) -> Any:
        """Changes the resource in place, or goes on where the last operation failed."""
        inputs, olds = wire.decode(request.news), wire.decode(request.olds)
        old_inputs = wire.decode(request.old_inputs)

        async def work(handler: ResourceHandler, operation: Fields) -> Any:
            call = UpdateCall(
                **operation,
                id=request.id,
                old_inputs=old_inputs,
                old_outputs=olds,
                inputs=inputs,
                preview=request.preview,
            )
            answer = await handler.update(call)
            return provider_pb2.UpdateResponse(properties=_outputs(answer.outputs, inputs, inputs))

        fields = call_fields(request, inputs, old_inputs, olds)
        return await self._long(request, context, "update", fields, work, inputs)

    async def Read(self, request: Any, context: Any) -> Any:
        """The resource as it is; an empty id says that it is gone."""
        inputs, outputs = wire.decode(request.inputs), wire.decode(request.properties)

        async def work(handler: ResourceHandler, operation: Fields) -> Any:
            call = ReadCall(**operation, id=request.id, inputs=inputs, outputs=outputs)
            answer = await handler.read(call)
            if answer is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=answer.id,
                properties=_outputs(answer.outputs, outputs, inputs),
                inputs=wire.encode(wire.keep_secrets(answer.inputs, inputs)),
            )

        fields = call_fields(request, inputs, outputs)
        return await self._long(request, context, "read", fields, work, inputs)

    async def Delete(self, request: Any, context: Any) -> Any:
        """Removes the resource."""
        outputs, old_inputs = wire.decode(request.properties), wire.decode(request.old_inputs)

        async def work(handler: ResourceHandler, operation: Fields) -> Any:
            call = DeleteCall(**operation, id=request.id, old_inputs=old_inputs, outputs=outputs)
            await handler.delete(call)
            return empty_pb2.Empty()

        fields = call_fields(request, outputs, old_inputs)
        return await self._long(request, context, "delete", fields, work)

    async def _short(self, context: object, verb: str, fields: Fields, work: Short) -> Any:
        async def run() -> Any:
            return await work(await self.registry.handler(fields["type"]))

        with self.flight.call(), short():
            return await self._guarded(context, _what(verb, fields), run(), fields["secrets"])

    async def _long(
        self,
        request: object,
        context: object,
        verb: str,
        fields: Fields,
        work: Long,
        inputs: Mapping[str, object] | None = None,
    ) -> Any:
        async def run(cancelled: Cancellation) -> Any:
            handler = await self.registry.handler(fields["type"])
            async with operation_fields(request, fields, self.log, cancelled) as operation:
                return await work(handler, operation)

        with self.flight.call() as cancelled:
            return await self._guarded(
                context, _what(verb, fields), run(cancelled), fields["secrets"], inputs
            )


def _outputs(outputs: Mapping[str, object], given: Mapping[str, object], inputs: Mapping[str, object]) -> Any:
    from .secrets import secret_where_store_is

    return wire.encode(secret_where_store_is(wire.keep_secrets(outputs, given), inputs))


def _what(verb: str, fields: Fields) -> str:
    return f'{verb} of {fields["type"]} "{fields["name"]}"'
