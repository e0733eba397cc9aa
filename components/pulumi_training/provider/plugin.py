"""The requests that are about the plugin rather than about one resource, and how every request fails."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources as package_files
from typing import Any, NoReturn, TypeVar

import pulumi
from google.protobuf import empty_pb2
from pulumi.errors import InputPropertiesError, InputPropertyError
from pulumi.provider.server import ComponentInitError, ProviderServicer
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from ..spec.errors import Problem, SpecError, TrainingError
from ..version import __version__
from . import answers, wire
from .construct import Components
from .failures import failure_of
from .flight import Flight
from .handler import ProviderConfig
from .pool import blocking
from .progress import EngineLog
from .registry import Registry

R = TypeVar("R")

CLOSING_TIMEOUT = 4.0
"""Seconds for `closing`; the engine waits 5 for the answer to its last Cancel."""


class PluginServicer(ProviderServicer):
    """One plugin process: knows the calls in flight and the engine it talks to.

    Must be made on the event loop. `on_cancel` is called after each Cancel.
    """

    def __init__(
        self,
        engine_address: str | None = None,
        *,
        registry: Registry | None = None,
        on_cancel: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(Components(), [], engine_address or "")
        self.registry = registry or Registry()
        self.flight = Flight()
        self.log = EngineLog(engine_address)
        self._on_cancel = on_cancel

    async def Handshake(self, request: Any, context: Any) -> Any:
        """Takes the engine's address and says which kinds of values are understood."""
        await self._talk_to(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=True
        )

    async def Attach(self, request: Any, context: Any) -> Any:
        """Takes the address of an engine that found this plugin running (PULUMI_DEBUG_PROVIDERS)."""
        await self._talk_to(request.address)
        return empty_pb2.Empty()

    async def GetPluginInfo(self, request: object, context: object) -> Any:
        """The package's version."""
        return plugin_pb2.PluginInfo(version=__version__)

    async def GetSchema(self, request: object, context: object) -> Any:
        """The package's schema, a file made from the models; with targets of other packages it is made now."""
        return provider_pb2.GetSchemaResponse(
            schema=await self._guarded(context, "GetSchema", _schema_text())
        )

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        """Validates the provider's configuration; unknown keys may be those of a project named training."""
        store = wire.decode(request.news).get("store")
        failures = []
        if not (store is None or isinstance(store, (wire.Unknown, wire.Secret)) or _is_text(store)):
            failures = [Problem("store", "must be a folder or a URL such as s3://bucket/runs, as a string")]
        return provider_pb2.CheckResponse(inputs=request.news, failures=answers.check_failures(failures))

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        """Any change of configuration is taken in place: a run keeps the store it was made in."""
        olds = request.old_inputs if request.HasField("old_inputs") else request.olds
        old, new = wire.decode(olds), wire.decode(request.news)
        changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=kind, diffs=changed)

    async def Configure(self, request: Any, context: Any) -> Any:
        """Takes the provider's configuration."""
        given, secrets = wire.unwrap_secrets(wire.decode(request.args))
        store = given.get("store", request.variables.get("training:config:store"))
        config = ProviderConfig(store if _is_text(store) else None, program_directory=os.getcwd())
        await self._guarded(context, "Configure", self.registry.configure(config), secrets)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, acceptResources=True, acceptOutputs=True, supportsPreview=True
        )

    async def Cancel(self, request: object, context: object) -> Any:
        """Ctrl-C while calls run; the end of the operation, and harmless, while none does."""
        if not self.flight.cancel():
            await self._close_handlers()
        self._on_cancel()
        return empty_pb2.Empty()

    async def Invoke(self, request: Any, context: Any) -> Any:
        """The package has no functions."""
        error = SpecError(Problem("", f"{request.tok} is not a function of this package"))
        await self._abort(context, error, what="Invoke")

    async def Call(self, request: Any, context: Any) -> Any:
        """The package's components have no methods."""
        error = SpecError(Problem("", f"{request.tok} is not a method of this package"))
        await self._abort(context, error, what="Call")

    async def Construct(self, request: Any, context: Any) -> Any:
        """Declares a component, by the SDK's machinery."""
        from .secrets import secret_texts

        secrets = secret_texts(wire.decode(request.inputs))
        with self.flight.call():
            return await self._guarded(
                context, f'construct of "{request.name}"', self._component(request, context), secrets
            )

    @staticmethod
    def _construct_options(request: Any) -> pulumi.ResourceOptions:
        # The SDK reads customTimeouts and throws them away (3.272).
        options = ProviderServicer._construct_options(request)
        given = request.customTimeouts
        if given.create or given.update or given.delete:
            options.custom_timeouts = pulumi.CustomTimeouts(
                given.create or None, given.update or None, given.delete or None
            )
        return options

    async def _component(self, request: object, context: object) -> Any:
        try:
            return await self._construct(request, context)
        except InputPropertiesError as error:
            found = [Problem(each["property_path"], each["reason"]) for each in error.errors or ()]
            raise SpecError(found or Problem("", error.message)) from error
        except InputPropertyError as error:
            raise SpecError(Problem(error.property_path, error.reason)) from error
        except ComponentInitError as error:
            raise error.inner from error
        except pulumi.RunError as error:
            raise TrainingError(str(error)) from error

    async def _guarded(
        self,
        context: object,
        what: str,
        work: Awaitable[R],
        secrets: Sequence[str] = (),
        inputs: Mapping[str, object] | None = None,
    ) -> R:
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - every failure is told to the user, as what it is
            await self._abort(context, error, what=what, secrets=secrets, inputs=inputs)

    async def _abort(
        self,
        context: Any,
        error: Exception,
        *,
        what: str,
        secrets: Sequence[str] = (),
        inputs: Mapping[str, Any] | None = None,
    ) -> NoReturn:
        failure = failure_of(error, what=what, secrets=secrets, inputs=inputs)
        await context.abort(failure.code, failure.message, trailing_metadata=failure.metadata)
        raise AssertionError("abort returned")

    async def _close_handlers(self) -> None:
        try:
            await asyncio.wait_for(self.registry.closing(), CLOSING_TIMEOUT)
        except Exception:  # noqa: BLE001 - nobody is there to be told; the log file keeps it
            from . import logfile

            logfile.append(f"closing\n{traceback.format_exc()}")

    async def _talk_to(self, address: str) -> None:
        if address:
            self.engine_address = address
            await self.log.move(address)


async def _schema_text() -> str:
    found = await blocking(_with_other_targets)
    if found is not None:
        return found
    try:
        return package_files.files("pulumi_training").joinpath("schema.json").read_text("utf-8")
    except FileNotFoundError as error:
        message = "schema.json is missing from the installed package pulumi-training; install it again"
        raise TrainingError(message) from error


def _with_other_targets() -> str | None:
    """The schema with the targets that installed packages bring, None where there is none."""
    from ..targets import packages

    if not packages.names():
        return None
    from ..schema.generate import schema_text
    from ..targets import catalog

    def tell(words: str) -> None:
        from . import logfile

        logfile.append(f"GetSchema\n{words}\n")

    return schema_text(list(catalog.known(tell)))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
