"""`pulumi-training`: the verbs put together, and the process around them."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .cancel import cancel
from .doctor import doctor
from .download import download
from .exit import ExitCode, unexpected
from .logs import logs
from .mlflow import mlflow
from .orphans import orphans
from .plan import plan
from .plugin import install, uninstall, where
from .reproduce import reproduce
from .runs_list import list_
from .runs_show import show
from .tensorboard import tensorboard

_WIDTH = 110
"""Columns of help at most, where the terminal has them."""
_FIRST = ("runs", "logs", "download", "cancel", "plan", "reproduce")
_EPILOG = "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 no such run, 130 interrupted."


class _InOrder(TyperGroup):
    """Lists the verbs as a person meets them; typer puts groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the verbs."""
        names = super().list_commands(ctx)
        return [*(name for name in _FIRST if name in names), *(name for name in names if name not in _FIRST)]


def build() -> typer.Typer:
    """The application; plain help, because rich's costs a fifth of a second."""
    app = _group(
        "Look at training runs, follow their logs, download what they made, stop them. To start one, run `pulumi up`."
    )
    app.callback()(_root)
    runs = _group("List runs, and show one of them.")
    runs.command("list")(list_)
    runs.command("show")(show)
    app.add_typer(runs, name="runs")
    app.command("plan")(plan)
    app.command("logs")(logs)
    app.command("download")(download)
    app.command("cancel")(cancel)
    app.command("reproduce")(reproduce)
    app.command("orphans")(orphans)
    app.command("tensorboard")(tensorboard)
    app.command("mlflow")(mlflow)
    plugin = _group("Let Pulumi find this provider in every project.")
    plugin.command("install")(install)
    plugin.command("uninstall")(uninstall)
    plugin.command("where")(where)
    app.add_typer(plugin, name="plugin")
    app.command("doctor")(doctor)
    return app


def main() -> None:
    """The console script."""
    if sys.platform == "win32":
        sys.exit("pulumi-training does not run on Windows itself; it works in WSL")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        build()()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - no command shows a traceback: a file has it
        sys.exit(unexpected(error))


def _group(words: str) -> typer.Typer:
    return typer.Typer(
        cls=_InOrder,
        help=words,
        epilog=_EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _WIDTH},
    )


def _version(is_asked: bool) -> None:
    if is_asked:
        from ..version import __version__

        print(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself."""


if __name__ == "__main__":
    main()
