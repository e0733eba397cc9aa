"""`Tensorboard`: the event files of runs in TensorBoard, by Azure ML's names, while they run and afterwards."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec.errors import Problem, SpecError, TrainingError

if TYPE_CHECKING:
    from .run import Run

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv[1]); from pulumi_training.client.board_process import main; main()"
)
_END_SECONDS = 5.0
_TAIL_BYTES = 2000


class Tensorboard:
    """TensorBoard over one run or several, in a process of its own that ends with this one.

    It shows what scripts write as event files to `./logs`, and what they report as metrics. A folder store of
    this machine is read in place; from any other store the files are brought bit by bit.
    """

    def __init__(
        self,
        runs: Run | str | Iterable[Run | str],
        local_root: str | os.PathLike[str] | None = None,
        port: int | None = None,
        use_display_name: bool = False,
    ) -> None:
        """Takes runs, or what `Run.get` takes.

        Args:
            runs: Whose curves are shown, live ones and finished ones.
            local_root: The folder where the runs are brought together, each in a folder of its name; it stays.
                Without one it is a temporary folder.
            port: Where the page is served on this machine. Without one it is 6006, or the next that is free.
            use_display_name: Calls runs by their display names, or by their jobs', instead of by their ids.

        Raises:
            SpecError: there is no run, or what is given is none. RunNotFound: no store has it.
        """
        given = [runs] if isinstance(runs, str) or not isinstance(runs, Iterable) else list(runs)
        if not given:
            raise SpecError(Problem("runs", "is empty; give one run or several, as Tensorboard([run])"))
        if port is not None and not (isinstance(port, int) and 0 <= port <= 65535):
            raise SpecError(
                Problem("port", f"{port!r} is no port; write a number up to 65535, or leave it out")
            )
        self.runs = list({run.record.location: run for run in map(_run, given)}.values())
        self.url: str | None = None
        self._local_root = Path(local_root).expanduser().absolute() if local_root is not None else None
        self._port = port
        self._names = _names(self.runs, use_display_name)
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path | None = None

    def start(self, start_browser: bool = False) -> str:
        """Starts the process and returns the page's address; one that is started already is left as it is.

        Raises:
            TrainingError: TensorBoard is not installed, the port is taken, or it did not start.
        """
        if self.url is None or not self.is_running():
            self.stop()
            try:
                self.url = self._launch()
            except BaseException:
                self.stop()
                raise
        if start_browser:
            import webbrowser

            webbrowser.open(self.url)
        return self.url

    def stop(self) -> None:
        """Ends the process; one that has ended is left so."""
        process, self._process, self.url = self._process, None, None
        if process is not None:
            _end(process)
            atexit.unregister(self.stop)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def is_running(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        """Returns when the process has ended; for commands, which have nothing else to do.

        Raises:
            TrainingError: it ended by itself.
        """
        if self._process is None:
            return
        code = self._process.wait()
        raise TrainingError(f"TensorBoard ended by itself with exit code {code}{self._last_words()}")

    def __enter__(self) -> Tensorboard:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _repr_html_(self) -> str:
        shown = escape(", ".join(self._names.values()))
        if self.url is None:
            return f"<div>TensorBoard of {shown}, not started</div>"
        return (
            f'<div><a href="{escape(self.url, quote=True)}" target="_blank">TensorBoard</a> of {shown}</div>'
        )

    def __repr__(self) -> str:
        return f"Tensorboard({', '.join(self._names.values())}, {self.url or 'not started'})"

    def _launch(self) -> str:
        require_tensorboard()
        self._scratch = Path(tempfile.mkdtemp(prefix="training-board-"))
        root = self._local_root or self._scratch / "runs"
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(
                f"{root} cannot be the local_root: {error.strerror or error}; name another folder"
            ) from error
        order = {
            "root": str(root),
            "scratch": str(self._scratch),
            "port": self._port,
            "parent": os.getpid(),
            "runs": [
                {
                    "store": run.record.store.url,
                    "run_id": run.id,
                    "name": self._names[run.record.location],
                    "after": run.after,
                    "submission": str(run.submission.file) if run.submission is not None else "",
                }
                for run in self.runs
            ],
        }
        with (self._scratch / "log").open("wb") as log:
            # A session of its own: the interrupt of a notebook or of Ctrl-C is not meant for it.
            self._process = process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, str(_PACKAGE_ROOT), "tensorboard"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        atexit.register(self.stop)
        answer = _ask(process, order)
        if "url" not in answer:
            raise TrainingError(str(answer.get("error") or f"TensorBoard did not start{self._last_words()}"))
        return str(answer["url"])

    def _last_words(self) -> str:
        try:
            said = (self._scratch or Path()).joinpath("log").read_bytes()[-_TAIL_BYTES:]
        except OSError:
            return ""
        return f":\n{said.decode('utf-8', 'replace').strip()}" if said.strip() else ""


def require_tensorboard() -> None:
    """Raises TrainingError, with what to install, where TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise TrainingError(
            "TensorBoard is not installed; `pip install 'pulumi-training[tensorboard]'` brings it"
        )


def _ask(process: subprocess.Popen[bytes], order: dict[str, Any]) -> dict[str, Any]:
    """Gives the order and waits for the one line of an answer. The pipe of the order stays open: its end ends it."""
    pipe, answers = process.stdin, process.stdout
    assert pipe is not None and answers is not None
    try:
        pipe.write(json.dumps(order).encode() + b"\n")
        pipe.flush()
        line = answers.readline()
    except BrokenPipeError:
        line = b""
    if not line:
        process.wait()
        return {}
    answer: dict[str, Any] = json.loads(line)
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _run(given: Run | str) -> Run:
    from .run import Run

    if isinstance(given, Run):
        return given
    if isinstance(given, str):
        return Run.get(given)
    if hasattr(given, "job"):
        raise SpecError(
            Problem("runs", "a Pulumi program declares its runs; after `pulumi up`, "
                    "`pulumi-training tensorboard` and a job's name shows one")
        )  # fmt: skip
    raise SpecError(Problem("runs", f"{given!r} is no run; give what Experiment.submit or Run.get returns"))


def _names(runs: list[Run], use_display_name: bool) -> dict[str, str]:
    """What each run is called, by its place: runs of two stores may have one id, and then have numbers too."""
    shown = {run.record.location: run.id for run in runs}
    if use_display_name:
        named = {
            run.record.location: run.display_name.replace("/", "-").strip(". ") or run.id for run in runs
        }
        every = list(named.values())
        shown = {at: f"{name} ({shown[at]})" if every.count(name) > 1 else name for at, name in named.items()}
    found: dict[str, str] = {}
    for at, name in shown.items():
        taken = [each for other, each in shown.items() if other in found]
        found[at] = f"{name} ({taken.count(name) + 1})" if name in taken else name
    return found
