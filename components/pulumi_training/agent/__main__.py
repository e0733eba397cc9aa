"""The agent's command line: one verb, then `--name value` options. Each verb imports only what it needs."""

from __future__ import annotations

import sys

USAGE = """usage: agent run   --request launch.json
       agent rank  --request launch.json
       agent node  [--bind ADDRESS] [--port PORT] [--request launch.json] [--secret-file FILE]
                  [--orders 1]
       agent launch --request launch.json [--secret-file FILE]
       agent ship  --folder FOLDER --parts PART,... [--events PART]
       agent files --folder FOLDER --parts PART,... [--digests 1]
       agent keep  --folder FOLDER --parts PART,... [--node N] [--without PLACE]
       agent exec  [-OPTION]... HOST COMMAND...
       agent sweep --run-id ID --attempt N [--store IDENTITY] [--folder FOLDER]"""


def main(argv: list[str]) -> int:
    """Runs one verb and returns its exit code; 2 means that the command line was wrong."""
    if not argv:
        return _usage("no verb given")
    verb, words = argv[0], argv[1:]
    if verb == "exec":
        from .exec_client import run_remote

        return run_remote(words)
    try:
        options = _options(words)
        if verb == "rank":
            from .rank import run_rank

            return run_rank(options["request"])
        if verb == "run":
            from .run import run_launch

            return run_launch(options["request"])
        if verb == "sweep":
            from .marks import Marks
            from .sweep import sweep

            store, folder = options.get("store", ""), options.get("folder", "")
            return 1 if sweep(Marks(options["run-id"], options["attempt"], store, folder)) else 0
        if verb == "node":
            from .node import serve

            return serve(
                options.get("bind", ""),
                int(options.get("port", "0")),
                options.get("request"),
                options.get("secret-file"),
                takes_orders="orders" in options,
            )
        if verb == "launch":
            from .alone import launch

            return launch(options["request"], options.get("secret-file"))
        if verb in ("ship", "files", "keep"):
            return _show_files(verb, options)
    except KeyError as missing:
        return _usage(f"{verb} needs --{missing.args[0]}")
    except ValueError as problem:
        return _usage(str(problem))
    return _usage(f"unknown verb {verb!r}")


def _show_files(verb: str, options: dict[str, str]) -> int:
    folder, parts = options["folder"], options["parts"].split(",")
    if verb == "ship":
        from .ship import ship

        return ship(folder, parts, options.get("events"))
    if verb == "keep":
        from .keep import keep

        without = tuple(filter(None, [options.get("without")]))
        keep(folder, parts, int(options.get("node", "0")), owns=True, without=without)
        return 0
    from .files import list_files

    return list_files(folder, parts, digests="digests" in options)


def _options(words: list[str]) -> dict[str, str]:
    if len(words) % 2 or not all(name.startswith("--") for name in words[::2]):
        raise ValueError("options are written as --name value")
    return {words[index][2:]: words[index + 1] for index in range(0, len(words), 2)}


def _usage(problem: str) -> int:
    sys.stderr.write(f"agent: {problem}\n{USAGE}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
