"""`python -m benchmarks`: measures, prints one table, and fails where a bound is not kept."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from . import against, catalog, table
from .bench import opened


def main(argv: Sequence[str] | None = None) -> int:
    """0 where every bound is kept, 1 where one is not."""
    options = _parser().parse_args(argv)
    if options.against is not None:
        return against.compare(options.against, options.only or catalog.COMPARED, options.pairs, options.json)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then, too
    with opened(is_quick=options.quick) as bench:
        figures = catalog.measure(bench, options.only or catalog.NAMES)
    table.show(figures)
    if options.json is not None:
        table.write_json(figures, options.json)
    return 1 if any(figure.is_within is False for figure in figures) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        type=lambda text: text.replace("-", "_"),
        choices=catalog.NAMES,
        metavar="NAME",
        help=f"measure this alone; may be repeated: {', '.join(catalog.NAMES)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds and smaller numbers: a look, no proof"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="times the same things with the code of another checkout of this repository, in turns, and shows the "
        f"median of ratios; by default of {', '.join(catalog.COMPARED)}",
    )
    parser.add_argument(
        "--pairs", type=int, default=20, metavar="N", help="measurements of each in a comparison (20)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every measurement to a file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
