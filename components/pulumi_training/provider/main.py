"""The plugin's process: `pulumi-resource-training [OPTIONS] ENGINE_ADDRESS`.

The first line on stdout is the port, and the only one: everything else that anybody prints goes to stderr.
Signals: an interrupt is ignored while calls run, because the engine, told by the same Ctrl-C, sends Cancel.
SIGTERM detaches from the calls, waits a little and ends. Processes of runs are never touched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from ..version import __version__
from .arguments import Arguments, parse

if TYPE_CHECKING:
    from .registry import Load


def main(argv: Sequence[str] | None = None, *, load: Load | None = None) -> NoReturn:
    """Serves until the engine is done; never returns, so that no thread can keep the process alive.

    `load` gives other handlers than the package's.
    """
    arguments = parse(sys.argv[1:] if argv is None else argv)
    if arguments.shows_version:
        print(__version__)
        sys.exit(0)
    if sys.platform == "win32":
        sys.exit("pulumi-training does not run on Windows itself; it works in WSL")
    port_line = _claim_stdout()
    code = 1
    try:
        code = _serve(arguments, port_line, load)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # noqa: BLE001 - the engine shows stderr of a plugin that dies early
        import traceback

        from . import logfile

        file = logfile.append(traceback.format_exc())
        words = " ".join(f"{type(error).__name__}: {error}".split())
        where = f" The traceback is in {file}." if file else ""
        sys.stderr.write(f"pulumi-training: the plugin cannot serve: {words.rstrip('.')}.{where}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve(arguments: Arguments, port_line: int, load: Load | None) -> int:
    import asyncio

    from .registry import Registry
    from .server import serve

    return asyncio.run(serve(arguments.engine_address, port_line, registry=Registry(load)))


def _claim_stdout() -> int:
    # A copy of stdout for the port; the descriptor itself becomes stderr, for prints and for children.
    port_line = os.dup(1)
    os.dup2(2, 1)
    return port_line


if __name__ == "__main__":
    main()
