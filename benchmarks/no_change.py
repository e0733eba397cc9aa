"""`pulumi up` of 100 finished training jobs over one source tree, beside 100 resources that do nothing."""

from __future__ import annotations

from .bench import Bench
from .figure import Figure, ratio
from .many_jobs import finished
from .pairs import interleaved, timed


def measure(bench: Bench) -> list[Figure]:
    """Real engine, file backend."""
    count = 20 if bench.is_quick else 100
    jobs = finished(bench, count)

    def unchanged(kind: str) -> None:
        said = jobs.up(kind, jobs.count)
        if f"{jobs.count + 3} unchanged" not in said:
            raise RuntimeError(f"something changed in an up that changes nothing\n{said[-2000:]}")

    taken = interleaved(
        {kind: timed(lambda kind=kind: unchanged(kind)) for kind in ("training", "noop")}, bench.rounds(7)
    )
    return [
        Figure(
            f"no-change `pulumi up` of {count} jobs",
            taken["training"],
            ratio(1.3),
            taken["noop"],
            "no-op provider",
        )
    ]
