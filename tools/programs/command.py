"""The command line of tools/binaries."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from engine import progress
from engine.errors import EngineError
from engine.lock import held

from .recipes import Recipe, binaries_folder, node_folder, recipes

EPILOG = """\
Programs are kept in the user's cache, for all checkouts; TRAINING_BINARIES_DIR says where else. The pulumi command line is
where `tools/pulumi` has it. Answers go to stdout, everything else to stderr.
"""
ENTRY = Path(__file__).resolve().parents[1] / "binaries"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    progress.tool = "tools/binaries"
    signal.signal(signal.SIGTERM, _end)  # a build must not outlive us
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except EngineError as error:
        print(f"tools/binaries: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tools/binaries: interrupted; nothing half-made is left", file=sys.stderr)
        return 130


def _list(options: argparse.Namespace) -> int:
    for recipe in _chosen(options):
        print(f"{recipe.name:<8}  {'there' if recipe.is_there else 'missing':<8}  {recipe.home.name}")
    return 0


def _missing(options: argparse.Namespace) -> int:
    for recipe in _chosen(options):
        if not recipe.is_there:
            print(recipe.name)
    return 0


def _path(options: argparse.Namespace) -> int:
    recipe = recipes()[options.name]
    if not recipe.is_there:
        raise EngineError(f"{recipe.name} is not there; `tools/binaries build {recipe.name}` builds it")
    print(recipe.path)
    return 0


def _node(options: argparse.Namespace) -> int:
    found = node_folder(recipes()["azure"].home)
    if found is None:
        raise EngineError("no Node.js for Azurite; `tools/binaries build azure` brings it")
    print(found / "node")
    return 0


def _build(options: argparse.Namespace) -> int:
    """Builds what is missing; what another process builds at the moment is waited for.

    All are tried; raises EngineError with the words of those that could not be built.
    """
    failed = []
    for recipe in _chosen(options):
        try:
            _ensure(recipe)
        except EngineError as error:
            failed.append(f"{recipe.name}: {error}")
    if failed:
        raise EngineError("\n".join(failed))
    return 0


def _ensure(recipe: Recipe) -> None:
    if recipe.is_there:
        return
    folder = binaries_folder()
    with held(folder / f"{recipe.name}.lock", f"building {recipe.name}", progress.say):
        if not recipe.is_there:  # by whoever held the lock before
            recipe.build()


def _start(options: argparse.Namespace) -> int:
    """Builds in the background, behind whatever else runs, and says its pid; `wait` comes after it."""
    names = [recipe.name for recipe in _chosen(options) if not recipe.is_there]
    if not names:
        return 0
    folder = binaries_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, str(ENTRY), "build", *names],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: os.nice(19),
        )
    (folder / "pid").write_text(str(child.pid))
    progress.say(f"building in the background: {', '.join(names)}; {folder / 'log'} has its words")
    return 0


def _wait(options: argparse.Namespace) -> int:
    """Returns when all that were asked for are there. What the background did not make is built here."""
    started = time.monotonic()
    code = _build(options)
    progress.say(f"all that was asked for is there, after a wait of {time.monotonic() - started:.0f} s")
    return code


def _stop(options: argparse.Namespace) -> int:
    """Ends a build in the background; nothing half-made counts as there."""
    if (pid := _background()) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    return 0


def _background() -> int | None:
    """The process that `start` started, while it lives."""
    try:
        pid = int((binaries_folder() / "pid").read_text())
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(ENTRY).encode() in line.split(b"\0") else None


def _chosen(options: argparse.Namespace) -> list[Recipe]:
    known = recipes()
    for name in options.names:
        if name not in known:
            raise EngineError(f"there is no program {name}; they are {', '.join(known)}")
    return [recipe for name, recipe in known.items() if name in options.names or not options.names]


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/binaries",
        description="Builds the programs of others that tests and benchmarks need, where they are missing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    names = list(recipes())
    for verb, run, words in (
        ("list", _list, "the programs, and whether they are there"),
        ("missing", _missing, "the names of those that would have to be built"),
        ("build", _build, "build what is missing"),
        ("start", _start, "the same in the background, at the lowest priority"),
        ("wait", _wait, "until they are there; what the background did not make is built here"),
    ):
        of_some = verbs.add_parser(verb, help=words)
        of_some.add_argument(
            "names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all of them by default"
        )
        of_some.set_defaults(run=run)
    path = verbs.add_parser("path", help="where a program is")
    path.add_argument("name", choices=names)
    path.set_defaults(run=_path)
    verbs.add_parser("node", help="the Node.js that runs Azurite").set_defaults(run=_node)
    verbs.add_parser("stop", help="end a build in the background").set_defaults(run=_stop)
    return parser
