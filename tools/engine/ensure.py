"""Finds a pulumi, or brings one: PATH, the cache, Pulumi's installer, the Go modules."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import installer, modules, stand_in
from .errors import EngineError
from .lock import held
from .places import Places, pulumi_on_path
from .progress import say
from .version import verify

BUILDING = ".building-"
HOW_TO_INSTALL = (
    "Install Pulumi as https://www.pulumi.com/docs/install/ describes, for example\n"
    "    curl -fsSL https://get.pulumi.com | sh        (Linux)\n"
    "    brew install pulumi/tap/pulumi                (macOS)\n"
    "or put Go on PATH (https://go.dev/dl/), and run this again."
)


@dataclass(frozen=True)
class Engine:
    """A pulumi that is ready to use, and the folders that must be on PATH with it."""

    pulumi: Path
    folders: tuple[Path, ...]
    origin: str


def ensure(places: Places) -> Engine:
    """Return a pulumi that runs Python programs; brings one where there is none, once, for all checkouts.

    Raises EngineError, which says how to install Pulumi, where nothing works.
    """
    found = locate(places)
    if found is None:
        _bring(places)
        found = locate(places)
    if found is None:
        raise EngineError(f"{places.pulumi} vanished again; is another program cleaning {places.cache}?")
    return with_host(places, found)


def locate(places: Places) -> Engine | None:
    """The pulumi that would be used, without bringing one: of PATH, else of the cache."""
    if (of_path := pulumi_on_path(places)) is not None:
        return Engine(of_path, (), "PATH")
    if places.pulumi.exists():  # renamed into place only when it had been verified
        return Engine(places.pulumi, (places.home / "bin",), "cache")
    return None


def with_host(places: Places, engine: Engine) -> Engine:
    """The same engine with a Python language host: Pulumi's own, else this tree's stand-in, kept current."""
    if stand_in.real_host(engine.pulumi) is not None:
        return engine
    folder = places.home if engine.origin == "cache" else places.lone_host
    if stand_in.place(folder):
        say(
            f"{engine.pulumi} has no Python language host of Pulumi's own; "
            f"a stand-in on Pulumi's SDK is now {folder / 'bin' / stand_in.NAME}"
        )
    return Engine(engine.pulumi, tuple(dict.fromkeys((*engine.folders, folder / "bin"))), engine.origin)


def _bring(places: Places) -> None:
    with held(places.cache / "lock", f"bringing pulumi {places.version}", say):
        if places.pulumi.exists():  # by whoever held the lock before
            return
        _sweep(places)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=BUILDING, dir=places.cache) as folder:
            draft = Path(folder) / places.version
            _make(places, draft)
            shutil.rmtree(places.home, ignore_errors=True)
            draft.rename(places.home)
        _sweep(places)
        say(f"pulumi {places.version} is in {places.home} after {time.monotonic() - started:.0f} s")


def _sweep(places: Places) -> None:
    for left in places.cache.glob(f"{BUILDING}*"):  # of a builder that was killed: we hold the lock
        shutil.rmtree(left, ignore_errors=True)


def _make(places: Places, draft: Path) -> None:
    if installer.install(places.venv_python, draft, places.version):
        try:
            verify(draft / "bin" / "pulumi", places.version)
            return
        except EngineError as error:
            say(f"Pulumi's installer brought something else, going on without it: {error}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        modules.build(draft / "bin", places.cache, places.version)
        verify(draft / "bin" / "pulumi", places.version)
    except EngineError as error:
        raise EngineError(
            f"There is no pulumi on PATH, and it could not be brought.\n{error}\n\n{HOW_TO_INSTALL}"
        ) from error
