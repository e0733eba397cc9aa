"""The handlers of the package, loaded when first needed.

Loading them takes as long as starting the plugin, and the engine waits for the plugin's port: so it happens
in a thread after the port is printed. What no preview needs is loaded after them, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Mapping

from ..spec.errors import Problem, SpecError
from .handler import ProviderConfig, ResourceHandler
from .pool import blocking, executor

Load = Callable[[], Mapping[str, ResourceHandler]]


def package_handlers() -> Mapping[str, ResourceHandler]:
    """What `provider.handlers` declares: type token -> handler."""
    from .handlers import handlers

    return handlers()


def load_driving() -> None:
    """Loads what takes a run to its end."""
    from ..driver import drive  # noqa: F401


class Registry:
    """The handlers by type token; each is told the configuration before its first operation.

    `load` gives other handlers than the package's.
    """

    def __init__(self, load: Load | None = None) -> None:
        self._load = load or package_handlers
        self._then = None if load else load_driving
        self._loading: asyncio.Task[Mapping[str, ResourceHandler]] | None = None
        self._config = ProviderConfig()

    def warm(self) -> None:
        """Starts loading; called on the event loop."""
        self._task()

    async def handler(self, type_token: str) -> ResourceHandler:
        """The handler of a type. Raises SpecError that names the types there are."""
        handlers = await asyncio.shield(self._task())
        if type_token in handlers:
            return handlers[type_token]
        near = difflib.get_close_matches(type_token, handlers, 1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(handlers))}."
        raise SpecError(Problem("", f"{type_token} is not a resource of this package.{hint}"))

    async def configure(self, config: ProviderConfig) -> None:
        """Gives every handler the configuration, now or once it is loaded."""
        self._config = config
        task = self._task()
        if task.done() and task.exception() is None:
            for handler in task.result().values():
                handler.configured(config)

    async def closing(self) -> None:
        """Tells every loaded handler that the engine closes the plugin; then raises what one raised."""
        task = self._loading
        if task is None or not task.done() or task.exception() is not None:
            return
        distinct = {id(handler): handler for handler in task.result().values()}
        results = await asyncio.gather(*(h.closing() for h in distinct.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _task(self) -> asyncio.Task[Mapping[str, ResourceHandler]]:
        if self._loading is not None and self._loading.done() and self._loading.exception() is not None:
            self._loading = None  # a failed import is told to every caller, and tried again by the next
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._loaded())
        return self._loading

    async def _loaded(self) -> Mapping[str, ResourceHandler]:
        handlers = await blocking(self._load)
        if self._then is not None:
            executor().submit(self._then)
        for handler in handlers.values():
            handler.configured(self._config)
        return handlers
