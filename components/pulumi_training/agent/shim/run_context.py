"""`Run.get_context()` inside a script: metrics, tables and pictures, in the standard library alone.

Nothing of it needs the package that started the run: `sitecustomize` offers it as `pulumi_training.Run` and
`azureml.core.Run` where those are not installed. Metrics are lines of the file that TRAINING_METRICS names,
everything else files under the run's `./outputs`. Outside of a run it prints.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


class Run:
    """The run that a script belongs to; `id` is `OfflineRun` outside of any."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._metrics = environment.get("TRAINING_METRICS")
        self._was_warned: set[str] = set()

    @classmethod
    def get_context(cls, allow_offline: bool = True) -> Run:
        """The run of this process; outside of any one that prints what it is told.

        Raises RuntimeError where there is none and `allow_offline` is False.
        """
        run = cls(os.environ)
        if run.is_offline and not allow_offline:
            raise RuntimeError("this process belongs to no run: TRAINING_RUN_ID is not set")
        return run

    @property
    def id(self) -> str:
        """The run's id."""
        return self._environment.get("TRAINING_RUN_ID", "OfflineRun")

    @property
    def is_offline(self) -> bool:
        """Whether this process belongs to no run."""
        return "TRAINING_RUN_ID" not in self._environment

    @property
    def rank(self) -> int:
        """The rank of this process, from 0."""
        rank = self._environment.get("RANK", "0")
        return int(rank) if rank.isdigit() else 0

    def log(self, name: str, value: Any, description: str = "", step: float | None = None) -> None:
        """Reports a value of a metric; the same name again makes a series. Texts are kept, and draw no curve."""
        if name in ("step", "total"):
            self._warn(f"metric {name!r}", "is taken for the run's progress too; a curve needs another name")
        line = {} if step is None else {"step": _plain(step)}
        self._report({**line, name: self._checked(name, value)})

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        """Reports every value of a list, in order."""
        self._report(*({name: self._checked(name, item)} for item in _as_list(value)))

    def log_row(self, name: str, description: str = "", **columns: Any) -> None:
        """Reports a row of a table: its columns become `name.column`."""
        self._report({name: {column: self._checked(column, item) for column, item in columns.items()}})

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        """Reports a table of columns row by row, and keeps it whole as `outputs/<name>.json`.

        Columns that are not equally long are said once: what is missing of a row is left out.
        """
        columns = {column: _as_list(items) for column, items in value.items()}
        if len({len(items) for items in columns.values()}) > 1:
            lengths = ", ".join(f"{column} has {len(items)}" for column, items in columns.items())
            self._warn(f"table {name!r}", f"its columns are not equally long: {lengths}")
        for index in range(max(map(len, columns.values()), default=0)):
            row = {column: items[index] for column, items in columns.items() if index < len(items)}
            self._report({name: {column: self._checked(column, item) for column, item in row.items()}})
        if not self.is_offline:
            whole = {column: [_plain(item) for item in items] for column, items in columns.items()}
            with Path(self._place(name, ".json")).open("w", encoding="utf-8") as stream:
                json.dump(whole, stream, indent=1)

    def log_image(self, name: str, path: str | None = None, plot: Any = None, description: str = "") -> None:
        """Keeps a picture as `outputs/<name>`: a file that is there, or a matplotlib figure or module."""
        if (path is None) == (plot is None):
            raise ValueError("log_image takes one of path and plot")
        if self.is_offline:
            print(f"picture {name}: {path if path is not None else plot}", flush=True)
        elif path is not None:
            shutil.copyfile(path, self._place(name, os.path.splitext(path)[1]))
        else:
            plot.savefig(self._place(name, ".png"))

    def upload_file(self, name: str, path_or_stream: Any) -> None:
        """Keeps a file, or what a stream holds, as `outputs/<name>`."""
        if self.is_offline:
            print(f"file {name}: {path_or_stream}", flush=True)
            return
        place = self._place(name[len("outputs/") :] if name.startswith("outputs/") else name, "")
        if hasattr(path_or_stream, "read"):
            content = path_or_stream.read()
            with Path(place).open("wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
        elif not (os.path.exists(place) and os.path.samefile(path_or_stream, place)):
            shutil.copyfile(path_or_stream, place)

    def upload_folder(self, name: str, path: str) -> None:
        """Keeps every file of a folder below `outputs/<name>`."""
        for base, _, files in os.walk(path):
            for file in files:
                whole = os.path.join(base, file)
                self.upload_file(f"{name}/{os.path.relpath(whole, path)}", whole)

    def tag(self, key: str, value: Any = "") -> None:
        """Labels the run; rank 0's labels are kept."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Labels the run; rank 0's labels are kept."""
        if self.is_offline or self._metrics is None:
            print(" ".join(f"tag {key}: {value}" for key, value in tags.items()), flush=True)
            return
        if self.rank:
            return
        place = os.path.join(os.path.dirname(self._metrics), "tags.json")
        try:
            with Path(f"{place}.{os.getpid()}").open("w", encoding="utf-8") as stream:
                json.dump({**self._tags(place), **{key: str(value) for key, value in tags.items()}}, stream)
            os.replace(f"{place}.{os.getpid()}", place)
        except OSError as error:
            self._warn("tags", f"are not written: {error}")

    def get_tags(self) -> dict[str, str]:
        """The labels that the script has given so far."""
        return self._tags(os.path.join(os.path.dirname(self._metrics), "tags.json")) if self._metrics else {}

    def flush(self, timeout_seconds: float = 0) -> None:
        """Everything is written as it is reported: there is nothing to wait for."""

    def complete(self) -> None:
        """A run is complete when its script ends well: there is nothing to say."""

    def get_status(self) -> str:
        """Inside the script a run is always `Running`."""
        return "Running"

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            known = ", ".join(sorted(each for each in dir(type(self)) if not each.startswith("_")))
            raise AttributeError(f"a run inside its script has no {name!r}; there are {known}")
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def _report(self, *lines: Mapping[str, Any]) -> None:
        if self._metrics is None:
            for line in lines:
                print(json.dumps(line), flush=True)
            return
        text = "".join(json.dumps(line) + "\n" for line in lines)
        # One write call for each report: threads of a script must not tear one another's lines.
        try:
            with Path(self._metrics).open("ab", buffering=0) as stream:
                stream.write(text.encode())
        except OSError as error:  # a full disk costs a point of a curve, and not the training
            self._warn("metrics", f"are not written: {error}")

    def _checked(self, name: str, value: Any) -> Any:
        plain = _plain(value)
        if isinstance(plain, str):
            self._warn(f"metric {name!r}", f"is {plain!r}: a text, which draws no curve")
        elif isinstance(plain, float) and not math.isfinite(plain):
            self._warn(f"metric {name!r}", f"is {plain!r}: not a finite number")
        return plain

    def _warn(self, what: str, words: str) -> None:
        if what not in self._was_warned:
            self._was_warned.add(what)
            try:
                print(f"{what} {words}", file=sys.stderr, flush=True)
            except OSError:
                return  # the log is on the same disk

    def _place(self, name: str, suffix: str) -> str:
        """Where a file of that name goes; ranks after the first have theirs beside it, none overwrites another's."""
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        stem, own = os.path.splitext(parts[-1]) if parts else (name, "")
        if not parts or not stem:
            raise ValueError(f"{name!r} names no file")
        beside = f"-rank-{self.rank}" if self.rank else ""
        parts[-1] = stem + beside + (own or suffix)
        place = os.path.join(self._environment.get("TRAINING_OUTPUT_DIR", "outputs"), *parts)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        return place

    @staticmethod
    def _tags(place: str) -> dict[str, str]:
        try:
            with Path(place).open(encoding="utf-8") as stream:
                return dict(json.load(stream))
        except (OSError, ValueError):
            return {}


def _plain(value: Any) -> Any:
    """A number as JSON has it, whatever array library it is of; a boolean as it is; anything else as text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    for read in ("item", "tolist"):
        if hasattr(value, read):
            try:
                found = getattr(value, read)()
            except (ValueError, TypeError, RuntimeError):
                continue
            if isinstance(found, (bool, int, float, str)):
                return found
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _as_list(value: Any) -> Sequence[Any]:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        return [value]
    return list(value)
