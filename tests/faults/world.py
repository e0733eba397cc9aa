"""One job under test, the processes of its run, and the proofs that its script leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.record.store_identity import ensure_identity
from pulumi_training.spec.errors import TrainingError
from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets.local import processes
from pulumi_training.targets.local.slots import Slots, me
from pulumi_training.targets.slots import Slots as ClusterSlots

PLUGIN = Path(__file__).with_name("plugin.py")
URN = "urn:pulumi:dev::tests::training:index:TrainingJob::fit"
PATIENCE = 120.0

SCRIPT = """
import fcntl, os, sys, time

rank, attempt, proof = os.environ["RANK"], os.environ["TRAINING_ATTEMPT"], os.environ["PROOF"]
lock = os.open(f"{proof}/lock-{rank}", os.O_CREAT | os.O_RDWR)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open(f"{proof}/TWIN", "a").write(f"rank {rank} of attempt {attempt} met another copy\\n")
    sys.exit(99)
with open(f"outputs/early-{rank}.txt", "w") as early:
    early.write(attempt)
os.set_inheritable(lock, False)
run = os.environ["TRAINING_RUN_ID"]
with open(f"{proof}/journal", "a") as journal:
    journal.write(f"{run} {attempt} {rank} {os.getpid()}\\n")

def await_go(name="go", seconds=100):
    end = time.monotonic() + seconds
    while not os.path.exists(f"{proof}/{name}"):
        if time.monotonic() > end:
            sys.exit("nobody let me go")
        time.sleep(0.02)
"""
ORDINARY = (
    SCRIPT
    + """
await_go()
folder = os.environ.get("FILES_IN", "outputs")
for number in range(int(os.environ.get("FILES", "0"))):
    with open(f"{folder}/{rank}-{number}.bin", "wb") as file:
        file.write(os.urandom(64))
with open(f"outputs/late-{rank}.txt", "w") as late:
    late.write(attempt)
"""
)
SLOW_BUILD = """
import os, time, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    open(PROOF + "/building", "w").close()
    end = time.monotonic() + 60
    while not os.path.exists(PROOF + "/go-build") and time.monotonic() < end:
        time.sleep(0.02)
    name = "slowly-1-py3-none-any.whl"
    info = "slowly-1.dist-info/"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("slowly.py", "")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: slowly\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "slowly.py,,\\n" + info + "METADATA,,\\n" + info + "WHEEL,,\\n" + info + "RECORD,,\\n")
    return name
"""


class World:
    """A project folder, a store, and what may be done to them. `ranks` processes are started by mpirun."""

    def __init__(self, root: Path, cache: Path, *, ranks: int = 2, **job: Any) -> None:
        self.root, self.cache, self.ranks = root, cache, ranks
        self.proof = root / "proof"
        self.delivered = root / "delivered"
        self.proof.mkdir(parents=True)
        (root / "src").mkdir()
        self.write_script(ORDINARY)
        self.state_dir = root / "state"
        self.job: dict[str, Any] = {
            "sourceDirectory": "src",
            "entryScript": "train.py",
            "nodeCount": ranks,
            "processCountPerNode": 1,
            "distributedBackend": "gloo" if ranks > 1 else None,
            "gracePeriodSeconds": 2,
            "environmentVariables": {"PROOF": str(self.proof)},
            "compute": {
                "target": "local",
                "workspace": "lab",
                "store": str(root / "store"),
                "cluster": "cpu",
                "maxNodes": ranks,
                "slotsPerNode": 1,
            },
            **job,
        }
        self.variables: dict[str, str] = {}
        """More of the plugin's environment."""
        self.wrapper: list[str] = []
        """Words before the plugin's own."""
        self.patience = PATIENCE
        """Seconds that an `up` may take."""
        self.started: list[subprocess.Popen[bytes]] = []
        self.urn = URN
        self._ticket: ClusterSlots | None = None

    # -- the job ---------------------------------------------------------------------------------------------

    def write_script(self, text: str) -> None:
        (self.root / "src" / "train.py").write_text(text)

    def prepare(self, phase: str) -> None:
        """Makes a phase of the run long enough to be hit."""
        if phase == "environment building":
            self.build_slowly()
        if phase == "queued":
            self.occupy()
        if phase == "finalizing":
            self.job["environmentVariables"]["FILES"] = "1500"
        if phase == "collecting":
            self.deliver(files=1000)

    def build_slowly(self) -> None:
        """Makes the environment's build wait for `release`."""
        package = self.root / "slowly"
        package.mkdir()
        (package / "pyproject.toml").write_text(
            "[project]\nname='slowly'\nversion='1'\n"
            "[build-system]\nrequires=[]\nbuild-backend='backend'\nbackend-path=['.']\n"
        )
        (package / "backend.py").write_text(f"PROOF = {str(self.proof)!r}\n{SLOW_BUILD}")
        self.job["environment"] = {"pipPackages": [f"slowly @ file://{package}"]}

    def deliver(self, files: int) -> None:
        """Makes each rank write so many files that are delivered to a folder after the run."""
        self.job["outputs"] = {
            "model": {"uri": str(self.delivered), "mode": "upload", "pathOnCompute": "export"}
        }
        self.job["environmentVariables"] |= {"FILES": str(files), "FILES_IN": "export"}

    def occupy(self) -> None:
        """Holds every slot of the cluster."""
        self._ticket = self.slots()
        assert self._ticket.enter("another-run", 1, self._ticket.total, 0, me(), self.root) is None

    def release(self) -> None:
        """Lets everything that waits for us go on."""
        for name in ("go", "go-build"):
            (self.proof / name).touch()
        if self._ticket is not None:
            self._ticket.leave("another-run", 1)
            self._ticket = None

    # -- the plugin ------------------------------------------------------------------------------------------

    def start_up(
        self, name: str = "one", pause: str = "", pause_seconds: float = 60
    ) -> subprocess.Popen[bytes]:
        """Begins an `up`; its answer comes to `answer(name)`."""
        order = {
            "job": self.job,
            "urn": self.urn,
            "base": str(self.root),
            "state": str(self.root / "state.json"),
            "answer": str(self.root / f"answer-{name}.json"),
            "seconds": self.patience,
        }
        path = self.root / f"order-{name}.json"
        path.write_text(json.dumps(order))
        (self.root / f"answer-{name}.json").unlink(missing_ok=True)
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "TRAINING_", "FAULT_"))},
            "TRAINING_STATE_DIR": str(self.state_dir),
            "TRAINING_CACHE_DIR": str(self.cache),
            "FAULT_PAUSE": pause,
            "FAULT_PAUSE_SECONDS": str(pause_seconds),
            "FAULT_REACHED": str(self.root / "reached"),
            **self.variables,
        }
        with (self.root / f"plugin-{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*self.wrapper, sys.executable, str(PLUGIN), str(path)],
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def answer(self, process: subprocess.Popen[bytes], name: str = "one") -> dict[str, Any] | None:
        """What an `up` answered; None where it was killed."""
        process.wait(self.patience + 30)
        path = self.root / f"answer-{name}.json"
        if not path.exists():
            assert process.returncode < 0, (self.root / f"plugin-{name}.log").read_text()
            return None
        answer: dict[str, Any] = json.loads(path.read_text())
        return answer

    def up(self, name: str = "next") -> dict[str, Any]:
        answered = self.answer(self.start_up(name), name)
        assert answered is not None
        return answered

    # -- what is there ---------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        return Store.open(self.job["compute"]["store"])

    def record(self) -> Record | None:
        """The newest run's record."""
        records = [Record(self.store, name) for name in self.store.children("runs")]
        found = [r for r in records if r.exists()]
        return max(found, key=lambda r: r.run_document().created_at, default=None)

    def document(self) -> AttemptDocument | None:
        record = self.record()
        newest = record.newest() if record else None
        return newest.document() if newest else None

    def folder(self, attempt: int | None = None) -> Path:
        record = self.record()
        assert record is not None
        newest = record.newest()
        assert newest is not None
        return (record.attempt(attempt) if attempt else newest).folder

    def journal(self) -> list[tuple[str, int, int, int]]:
        """(run id, attempt, rank, pid) of every start of a script."""
        try:
            lines = (self.proof / "journal").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(a, int(b), int(c), int(d)) for a, b, c, d in (line.split() for line in lines)]

    def slots(self) -> ClusterSlots:
        """The queue of the cluster."""
        return Slots.of(self.job["compute"], self.state_dir, ensure_identity(self.store))

    def until(self, what: Callable[[], Any], words: str, seconds: float = 60.0) -> Any:
        """Waits for something true; what cannot be read yet counts as false."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                found = what()
            except (
                OSError,
                ValueError,
                KeyError,
                AttributeError,
                AssertionError,
                TrainingError,
                psutil.Error,
            ):
                found = None
            if found:
                return found
            time.sleep(0.002)
        raise AssertionError(f"did not come within {seconds:g} s: {words}; {self.story()}")

    def reach(self, phase: str) -> None:
        """Waits until the run is at a phase of its life."""
        conditions: dict[str, Callable[[], Any]] = {
            "intent written": (self.root / "reached").exists,
            "environment building": (self.proof / "building").exists,
            "queued": lambda: self._status() is Status.QUEUED,
            "starting": (lambda: (self.folder() / "launch" / "launcher.log").exists()),
            "running": lambda: len(self.journal()) == self.ranks,
            "finalizing": lambda: self._status() is Status.FINALIZING,
            "collecting": lambda: any(self.delivered.iterdir()),
            "state being written": (self.root / "reached").exists,
        }
        if phase in ("finalizing", "collecting", "state being written"):
            self.until(conditions["running"], "running")
            self.release()
        self.until(conditions[phase], phase)

    def _status(self) -> Status | None:
        document = self.document()
        return document.status if document else None

    def is_over(self, attempt: int) -> bool:
        """Whether that attempt has ended."""
        record = self.record()
        return record is not None and record.attempt(attempt).document().status.is_terminal

    # -- what is done to it ----------------------------------------------------------------------------------

    def pids(self, who: str) -> list[int]:
        """The processes by that name now."""
        if who == "plugin":
            return [p.pid for p in self.started if p.poll() is None]
        if who == "supervisor":
            return [p.pid for p in self._supervisors()]
        if who in ("agent", "mpirun"):
            found = json.loads((self.folder() / "launch" / "run.json").read_text())
            return [found["pid" if who == "agent" else "launcher_pid"]]
        if who == "rank":
            return [self.journal()[-1][3]]
        if who == "wrapper":
            return [psutil.Process(self.journal()[-1][3]).ppid()]
        helpers = [c.pid for s in self._supervisors() for c in s.children(recursive=True)]
        return self.pids("plugin") + self.pids("supervisor") + helpers + [p.pid for p in self.left()]

    def kill(self, who: str, number: int = signal.SIGKILL) -> None:
        found = self.until(lambda: self.pids(who), f"a process: {who}")
        for pid in found:
            self._end(pid, number)

    @staticmethod
    def _end(pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def _supervisors(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                program = next(
                    (n for n, word in enumerate(words) if "pulumi_training.driver" in word), len(words)
                )
                attempts = tuple(f"{name}-a" for name in self.store.children("runs"))
                if any(word.startswith(attempts) for word in words[program + 2 : program + 3]):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def left(self) -> list[psutil.Process]:
        """Live processes of any run of this world's store."""
        ours = set(self.store.children("runs"))
        return [p for (run_id, *_), found in processes.find_all().items() if run_id in ours for p in found]

    # -- the verdict -----------------------------------------------------------------------------------------

    def bring_to_its_end(self, ups: int = 3) -> int:
        """Runs `up` until the run completed; returns how often it took."""
        for number in range(ups + 1):
            document = self.document()
            if (
                document is not None
                and document.outcome is not None
                and document.outcome.reason is Reason.COMPLETED
            ):
                return number
            if number < ups:
                self.up(f"next-{number}")
        raise AssertionError(f"it did not complete in {ups} more `up`; {self.story()}")

    def check(self, *, complete: bool = True) -> None:
        """No twin, nothing lost, nothing left."""
        assert not (self.proof / "TWIN").exists(), (self.proof / "TWIN").read_text()
        self.until(lambda: not self.left(), "the end of every process of the run", 30)
        self.until(lambda: not self._supervisors(), "the end of the supervisor", 30)
        assert self.slots().tickets() == ()
        for run_id, attempt, rank, _ in self.journal():
            kept = Record(self.store, run_id).attempt(attempt).folder / "outputs" / f"early-{rank}.txt"
            assert kept.read_text() == str(attempt), f"{kept} was lost"
        for name in self.store.children("runs"):
            record = Record(self.store, name)
            for number in record.attempts():
                assert record.attempt(number).document().status.is_terminal, f"attempt {number} has no end"
        if complete:
            folder, document = self.folder(), self.document()
            assert document is not None and document.outcome is not None
            assert document.outcome.reason is Reason.COMPLETED, self.story()
            assert (folder / "outputs" / "late-0.txt").exists() and (folder / "manifest.json").exists()
            if "model" in self.job.get("outputs", {}):
                files = int(self.job["environmentVariables"]["FILES"]) * self.ranks
                assert len(list(self.delivered.glob("*.bin"))) == files, "what was delivered is not whole"

    def story(self) -> str:
        """What is known, for the words of a failure."""
        lines = [f"journal: {self.journal()}"]
        for path in sorted(self.root.glob("plugin-*.log")) + sorted(self.root.glob("answer-*.json")):
            lines.append(f"{path.name}: {path.read_text()[-1500:]}")
        for path in sorted(self.root.glob("store/runs/*/attempts/*/attempt.json")):
            document = json.loads(path.read_text())
            lines.append(f"{path.parent}: {document['status']} {document['outcome']} {document['progress']}")
            for log in ("launch/supervisor.log", "launch/agent.log", "launch/launcher.log"):
                try:
                    lines.append(f"{log}: {(path.parent / log).read_text()[-1500:]}")
                except OSError:
                    continue
        return "\n".join(lines)

    def close(self) -> None:
        """Ends what a failed test left."""
        self.release()
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for left in [*self._supervisors(), *self.left()]:
            try:
                left.kill()
            except psutil.NoSuchProcess:
                continue
