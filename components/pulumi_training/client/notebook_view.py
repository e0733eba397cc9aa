"""A run in a notebook: one cell that keeps itself up to date until the run has ended. Needs nothing but IPython.

What is shown comes from the record, by the same readers as everything else; curves are SVG, drawn here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ..record import logs
from ..record.metrics import STEP, TOTAL, MetricsReader
from ..spec.errors import TrainingError
from ..spec.outcome import Status
from ..spec.text import count, plain_log
from .run_files import file_names

if TYPE_CHECKING:
    from ..record.attempt import Attempt
    from .run import Run

_WIDTH, _HEIGHT = 260, 90
_POINTS, _CURVES, _LINES, _FILES = 300, 8, 12, 20
_COLORS = {Status.COMPLETED: "#1a7f37", Status.FAILED: "#cf222e", Status.CANCELED: "#9a6700"}
_AT_MOST_SECONDS = 3.0


@dataclass
class Snapshot:
    """What a view shows of a run, for a person: texts are as they are, not yet escaped."""

    run_id: str
    status: str
    message: str = ""
    progress: tuple[float, float | None] | None = None
    curves: tuple[tuple[str, tuple[tuple[float, float], ...]], ...] = ()
    lines: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    files_left_out: int = 0
    advice: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the run can no longer change."""
        return Status(self.status).is_terminal


class View:
    """Looks at a run again and again; metrics are read on from where they were read to."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._reader: MetricsReader | None = None

    def look(self) -> Snapshot:
        """The run as it is now."""
        status = self.run.get_status()
        attempt = self.run.record.newest()
        if attempt is None or status == Status.NOT_STARTED.value:
            return Snapshot(self.run.id, status, _error(self.run) if status == Status.FAILED.value else "")
        document = attempt.document()
        failure = document.outcome if document.outcome and not document.outcome.is_success else None
        reader = self._metrics(attempt)
        reader.read_new(ended=document.status.is_terminal)
        names = {name: None for point in reader.points for name in point.values if name not in (STEP, TOTAL)}
        files = file_names(attempt)
        return Snapshot(
            self.run.id,
            status,
            document.progress or "" if failure is None else f"{failure.reason.value}: {failure.message}",
            reader.progress(),
            tuple((name, _thinned(reader.series(name))) for name in list(names)[:_CURVES]),
            tuple(_last_lines(attempt, reader.rank)),
            tuple(files[:_FILES]),
            max(0, len(files) - _FILES),
            failure.reason.rule.advice if failure is not None else "",
        )

    def _metrics(self, attempt: Attempt) -> MetricsReader:
        if self._reader is None or self._reader.attempt.number != attempt.number:
            self._reader = MetricsReader(attempt, self.run.record.run_document().job.metrics_rank)
        return self._reader


def show(run: Run, every: float = 1.0, *, display: Callable[..., Any] | None = None) -> None:
    """Shows a run and keeps the cell up to date until the run has ended, `every` so many seconds, three at most.

    Outside of a notebook it prints the run once. `display` is IPython's, for tests another.
    """
    shown = display or _display()
    view = View(run)
    first = view.look()
    if shown is None:
        print(text(first))
        return
    handle = shown(_Html(html_of(first)), display_id=True)
    if first.is_over or handle is None:
        return
    pause = max(0.05, min(every, _AT_MOST_SECONDS))
    threading.Thread(
        target=_keep_up_to_date, args=(view, handle, pause), name=f"show-{run.id}", daemon=True
    ).start()


class RunDetails:
    """The view by the name of the SDK's widget: `RunDetails(run).show()`."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def show(self) -> None:
        """See `show`."""
        show(self.run)


def html(run: Run) -> str:
    """The run as it is now, as HTML."""
    return html_of(View(run).look())


def html_of(seen: Snapshot) -> str:
    """A snapshot as HTML; every text of the run in it is escaped."""
    color = _COLORS.get(Status(seen.status), "#0969da")
    parts = [
        f'<div style="font-family:sans-serif"><b>{escape(seen.run_id)}</b> '
        f'<span style="color:{color};font-weight:bold">{escape(seen.status)}</span> {escape(seen.message)}'
    ]
    if seen.progress is not None and seen.progress[1]:
        step, total = seen.progress[0], seen.progress[1]
        parts.append(
            f'<div><progress value="{step:g}" max="{total:g}"></progress> step {step:g} of {total:g}</div>'
        )
    parts += [f'<div style="display:inline-block;margin:4px">{_curve(*curve)}</div>' for curve in seen.curves]
    if seen.advice:
        parts.append(f"<div>{escape(seen.advice)}</div>")
    if seen.lines:
        parts.append(f'<pre style="background:#8881;padding:6px">{escape(chr(10).join(seen.lines))}</pre>')
    if seen.files:
        more = f" and {seen.files_left_out} more" if seen.files_left_out else ""
        parts.append(f"<details><summary>{count(len(seen.files) + seen.files_left_out, 'file')}</summary>"
                     f"{'<br>'.join(map(escape, seen.files))}{more}</details>")  # fmt: skip
    return "".join([*parts, "</div>"])


def text(seen: Snapshot) -> str:
    """A snapshot as plain text."""
    values = [f"{name} {points[-1][1]:.4g}" for name, points in seen.curves if points]
    head = "  ".join(filter(None, [seen.run_id, seen.status, seen.message, *values]))
    return "\n".join([head, *seen.lines, *([seen.advice] if seen.advice else [])])


class _Html:
    """An object that a notebook shows as HTML, and a terminal as a word."""

    def __init__(self, content: str) -> None:
        self._content = content

    def _repr_html_(self) -> str:
        return self._content

    def __repr__(self) -> str:
        return "<run>"


def _keep_up_to_date(view: View, handle: Any, pause: float) -> None:
    rest = threading.Event()
    while True:
        rest.wait(pause)
        try:
            seen = view.look()
        except TrainingError as error:  # a store that does not answer now may answer at the next look
            handle.update(_Html(f"<div>{escape(view.run.id)}: {escape(error.message)}</div>"))
            continue
        handle.update(_Html(html_of(seen)))
        if seen.is_over:
            return


def _display() -> Callable[..., Any] | None:
    """IPython's display where this is a notebook."""
    try:
        from IPython import get_ipython  # type: ignore[import-not-found,unused-ignore]
        from IPython.display import display  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    shell = get_ipython()
    is_notebook = shell is not None and hasattr(shell, "kernel")
    return display if is_notebook else None


def _error(run: Run) -> str:
    error = run.get_details().get("error") or {}
    return str((error.get("error") or {}).get("message", ""))


def _last_lines(attempt: Attempt, rank: int) -> list[str]:
    return plain_log(logs.tail(attempt, rank, _LINES)).splitlines()


def _thinned(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """At most so many points of a long series, the last one always."""
    if len(points) <= _POINTS:
        return tuple(points)
    every = math.ceil(len(points) / (_POINTS - 1))
    return (*points[:-1:every], points[-1])


def _curve(name: str, points: tuple[tuple[float, float], ...]) -> str:
    """A series as a small SVG with its last value; NaN and infinities are gaps that no line crosses."""
    known = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    last = f"{points[-1][1]:.4g}" if points else ""
    words = f'<div style="font-size:small">{escape(name)} <b>{last}</b></div>'
    if len(known) < 2:
        return words
    low_x, high_x = min(x for x, _ in known), max(x for x, _ in known)
    low_y, high_y = min(y for _, y in known), max(y for _, y in known)
    wide, high = (high_x - low_x) or 1.0, (high_y - low_y) or 1.0
    paths: list[list[str]] = [[]]
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            paths.append([])
            continue
        at_x, at_y = (x - low_x) / wide * (_WIDTH - 4) + 2, (1 - (y - low_y) / high) * (_HEIGHT - 4) + 2
        paths[-1].append(f"{at_x:.1f},{at_y:.1f}")
    drawn = "".join(
        f'<polyline fill="none" stroke="#0969da" stroke-width="1.5" points="{" ".join(path)}"/>'
        for path in paths
        if path
    )
    return (
        f'{words}<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(name, quote=True)}">{drawn}</svg>'
        f'<div style="font-size:x-small">{low_y:.4g} to {high_y:.4g}</div>'
    )
