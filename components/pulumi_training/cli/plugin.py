"""`pulumi-training plugin`: the provider in the engine's plugin folder, so that every project finds it."""

from __future__ import annotations

import typer

from ..version import __version__
from .exit import ExitCode, verb
from .options import JsonOption


@verb
def install() -> None:
    """Install this Python's provider in Pulumi's plugin folder.

    Pulumi then finds it in every project without `plugins:` in Pulumi.yaml. Doing it twice is harmless. A provider on PATH
    is still found first.
    """
    from . import output, plugin_folder

    done = plugin_folder.install()
    words = "installed" if done.changed else "was there already"
    output.line(f"{plugin_folder.NAME} {__version__} {words}: {done.folder}")
    output.line(f"it runs {done.python}")
    others = [p for p in plugin_folder.on_path() if p.path.resolve() != (done.folder / plugin_folder.NAME)]
    for place in others:
        output.note(f"PATH has one too, and PATH goes first: {place.path}")


@verb
def uninstall() -> None:
    """Remove the provider from Pulumi's plugin folder.

    Every version that `plugin install` put there is removed.
    """
    from . import output, plugin_folder

    removed = plugin_folder.uninstall()
    for folder in removed:
        output.line(f"removed {folder}")
    if not removed:
        output.note(f"nothing of ours in {plugin_folder.home() / 'plugins'}")


@verb
def where(json: JsonOption = False) -> None:
    """Print where Pulumi finds the provider in this folder.

    The first line is the one that Pulumi uses.
    """
    from . import output, plugin_folder

    places = plugin_folder.find()
    if json:
        output.as_json(
            [
                {"kind": p.kind, "path": str(p.path), "version": p.version, "is_used": place == 0}
                for place, p in enumerate(places)
            ]
        )
    elif places:
        columns = [output.Column("FOUND BY"), output.Column("VERSION"), output.Column("PATH", wraps=True)]
        names = {"path": "Pulumi.yaml", "PATH": "PATH", "folder": "plugin folder"}
        output.table(columns, ([names[p.kind], p.version or "", str(p.path)] for p in places))
    if not places:
        output.note(
            "Pulumi finds no provider here; `pulumi-training plugin install` puts this one in its folder"
        )
        raise typer.Exit(ExitCode.FAILURE)
