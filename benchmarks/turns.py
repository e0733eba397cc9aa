"""`python -m benchmarks.turns PAIRS NAME ...`: the benchmarks of one of two checkouts, each round when it is let.

A line on standard input lets it go on. It says a line of JSON when it is ready, before each round, and at the end of each
benchmark, and waits then: meanwhile the other one measures, or prepares what it measures with.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from . import catalog
from .bench import opened
from .figure import Figure
from .pairs import turns


def main() -> None:
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what anything else prints

    def say(**words: Any) -> None:
        said.write(f"{json.dumps(words)}\n")

    def wait() -> None:
        if not sys.stdin.readline():
            sys.exit(143)  # nobody compares any more; what was started is ended

    def hand_over() -> None:
        say()
        wait()

    turns.wait, turns.with_peers = hand_over, False
    pairs, *names = sys.argv[1:]
    with opened(is_quick=True, pairs=int(pairs)) as bench:
        say()
        for name in names:
            wait()
            say(figures=[_shown(each) for each in catalog.measure(bench, [name])])


def _shown(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "unit": figure.unit.value,
        "values": list(figure.ours),
        "trouble": figure.trouble,
    }


if __name__ == "__main__":
    main()
