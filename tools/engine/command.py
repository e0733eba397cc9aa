"""The command line of tools/pulumi."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from . import shell, stack
from .ensure import ensure, locate
from .errors import EngineError
from .places import find_places

EPILOG = """\
environment:
  TRAINING_ENGINE_DIR              the cache folder (default: the platform's, shared by all checkouts)
  TRAINING_SKIP_PULUMI_INSTALLER=1 build from the Go modules at once, without trying Pulumi's installer

Answers go to stdout, everything else to stderr.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    signal.signal(signal.SIGTERM, _end)  # a build must not outlive us
    options = _parser().parse_args(arguments)
    options.verb = options.verb or "ensure"
    try:
        return _run(options)
    except EngineError as error:
        print(f"tools/pulumi: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tools/pulumi: interrupted; nothing half-made is left", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    places = find_places()
    if options.verb == "where":
        found = locate(places)
        if found is None:
            raise EngineError(
                f"no pulumi yet; `tools/pulumi ensure` brings {places.version} into {places.home}"
            )
        print(found.pulumi)
        return 0
    engine = ensure(places)
    if options.verb == "ensure":
        print(engine.pulumi)
        return 0
    if options.verb == "env":
        print(shell.exports(places, engine, os.environ), end="")
        return 0
    environment = {**os.environ, **shell.additions(places, engine, os.environ)}
    words = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    if options.verb == "run":
        os.execve(engine.pulumi, ["pulumi", *words], environment)
    stack.operate(places, engine, options.verb, words, environment)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/pulumi",
        description="Bring the pulumi command line where it is missing, and use it in this checkout.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser("ensure", help="find or bring pulumi and print its path (the default)")
    verbs.add_parser("where", help="print the path of the pulumi that would be used; brings nothing")
    verbs.add_parser("env", help='print export lines: eval "$(tools/pulumi env)"')
    for verb, text in (
        ("run", "run pulumi in that environment: tools/pulumi run -- stack ls"),
        ("up", "deploy this checkout's own stack without questions, made where it is missing"),
        ("preview", "show what `up` would do"),
        ("destroy", "take down what `up` made, without questions"),
    ):
        verbs.add_parser(verb, help=text).add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS")
    return parser


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
