"""Conda packages without conda: solved and linked into a prefix by py-rattler (the extra `conda`)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ..spec.errors import PermanentError, Problem, SpecError
from ..spec.outcome import Reason
from .conda_file import CondaRequest, name_of
from .requirements import located
from .uv import mask_urls

DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
"""What conda itself means by the channel `defaults` on Linux and macOS."""
RETRIES = 3


class ChannelsUnavailable(Exception):
    """No channel gave an answer. A conflict between packages is something else."""


def install(
    request: CondaRequest,
    python_version: str | None,
    prefix: Path,
    *,
    source: Path,
    progress: Callable[[str], None],
    log: IO[str],
) -> tuple[str, ...]:
    """Solves the request and links the result into `prefix`; returns `name==version (conda)` of each package.

    Python is part of the solve, in the version that `environment.pythonVersion` or the request names, else
    that of the plugin: a channel must have one. pip's packages go into the same prefix afterwards.

    Raises:
        ChannelsUnavailable: no channel answered, or py-rattler is not installed.
        SpecError: a channel is a folder that does not exist.
        PermanentError: `Reason.ENVIRONMENT_FAILED` with the solver's own words.
    """
    channels = [url for name in request.channels for url in channel_urls(name, source)]
    specs = list(request.dependencies)
    if not any(name_of(line) == "python" for line in request.dependencies):
        specs.append(python_spec(python_version))
    try:
        import rattler  # noqa: F401
    except ImportError as error:
        raise ChannelsUnavailable(
            "py-rattler is not installed (`pip install 'pulumi-training[conda]'`)"
        ) from error
    print(f"conda: solving {', '.join(specs)} from {mask_urls(', '.join(channels))}", file=log, flush=True)
    progress(f"Resolving {len(specs)} conda packages")
    return asyncio.run(_install(channels, specs, prefix, progress, log))


def channel_urls(name: str, source: Path) -> list[str]:
    """The URLs of a channel given by name, URL or folder; a folder counts from the source folder.

    Raises:
        SpecError: it looks like a folder and is none.
    """
    if "://" in name:
        return [name]
    folder = located(source, name)
    if folder.is_dir():
        return [folder.resolve().as_uri()]
    if name.startswith((".", "/", "~")):
        raise SpecError(
            Problem("environment.condaChannels", f"the folder `{name}` does not exist in {source}")
        )
    return list(DEFAULTS) if name == "defaults" else [name]


def python_spec(python_version: str | None) -> str:
    """The match spec for a Python version as `environment.pythonVersion` writes it."""
    if python_version is None:
        return f"python {sys.version_info[0]}.{sys.version_info[1]}.*"
    text = python_version.strip()
    if text[0].isdigit():
        return f"python {text}" if text.count(".") == 2 or text.endswith("*") else f"python {text}.*"
    return f"python {text.replace(' ', '')}"


async def _install(
    channels: list[str], specs: list[str], prefix: Path, progress: Callable[[str], None], log: IO[str]
) -> tuple[str, ...]:
    import rattler
    from rattler import exceptions
    from rattler.networking import Client
    from rattler.networking.middleware import AuthenticationMiddleware, RetryMiddleware

    client = Client([RetryMiddleware(RETRIES), AuthenticationMiddleware()])
    try:
        records = await rattler.solve(
            channels,
            [rattler.MatchSpec(spec) for spec in specs],  # not bare strings: those are parsed strictly
            gateway=rattler.Gateway(client=client),
            virtual_packages=rattler.VirtualPackage.detect(),
        )
    except (exceptions.GatewayError, exceptions.FetchRepoDataError) as error:
        print(f"conda: {mask_urls(str(error))}", file=log, flush=True)
        raise ChannelsUnavailable(_first_and_last(str(error))) from error
    except exceptions.SolverError as error:
        raise _failed("The conda packages cannot be had together", error, log) from error
    except (exceptions.InvalidMatchSpecError, exceptions.InvalidChannelError) as error:
        raise _failed("A conda package or channel is not written as conda does", error, log) from error
    names = tuple(sorted(f"{r.name.normalized}=={r.version} (conda)" for r in records))
    print("conda: " + ", ".join(names), file=log, flush=True)
    progress(f"Resolved {len(names)} conda packages")
    reporter = _Reporter()
    work = asyncio.ensure_future(
        rattler.install(records, prefix, client=client, show_progress=False, reporter=reporter)
    )
    try:
        shown = ""
        while not (await asyncio.wait([work], timeout=0.2))[0]:
            if (
                reporter.line != shown
            ):  # told from here: the reporter is called on threads that are not Python's
                shown = reporter.line
                progress(shown)
        await work
    except (
        exceptions.InstallerError,
        exceptions.LinkError,
        exceptions.ExtractError,
        exceptions.IoError,
    ) as error:
        raise _failed("The conda packages could not be installed", error, log) from error
    except exceptions.TransactionError as error:
        raise _failed("The conda packages could not be installed", error, log) from error
    finally:
        work.cancel()
    if not (prefix / "bin" / "python").exists():
        raise PermanentError(
            Reason.ENVIRONMENT_FAILED,
            "The conda environment holds no bin/python: the `python` package of the channels has none",
        )
    progress(f"Installed {len(names)} conda packages")
    return names


class _Reporter:
    """Remembers the newest line; every other callback is a no-op."""

    def __init__(self) -> None:
        self.line = ""

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:
        self.line = f"Installing {package_name} (conda)"
        return operation

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda *values, **keywords: 0
        raise AttributeError(name)


def _failed(what: str, error: Exception, log: IO[str]) -> PermanentError:
    text = mask_urls(str(error)).strip()
    print(f"conda: {what}:\n{text}", file=log, flush=True)
    return PermanentError(Reason.ENVIRONMENT_FAILED, f"{what}:\n{text}")


def _first_and_last(text: str) -> str:
    lines = [mask_urls(line.strip()) for line in text.splitlines() if line.strip()]
    last = lines[-1].removeprefix("Caused by: ")
    return lines[0] if len(lines) == 1 else f"{lines[0]}: {last}"
