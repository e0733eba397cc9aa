"""The quickstart and the examples as a new user runs them: in a copy of the checkout, through `make` and `pulumi`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.mpi, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout, with the virtual environment that runs this test as its own.

    `-o` tells make to take that environment as it is: to install again into a shared one would turn it to the copy.
    """

    folder: Path
    environment: dict[str, str]

    def make(self, verb: str) -> str:
        """What `make` and everything below it said; an AssertionError where it failed."""
        return self.run("make", "-o", ".venv/.run", verb)

    def shell(self, line: str, folder: Path | None = None) -> str:
        """A line typed into a shell where `tools/pulumi env` was evaluated."""
        return self.run("sh", "-c", f'eval "$({self.folder}/tools/pulumi env)" && {line}', folder=folder)

    def run(self, *line: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            line, cwd=folder or self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{line} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if line[-1].endswith("--json") else done.stdout + done.stderr

    def processes(self) -> list[psutil.Process]:
        """The live processes that have to do with this copy."""
        return [process for process in psutil.process_iter() if _mentions(process, str(self.folder.parent))]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    if subprocess.run([ROOT / "tools" / "pulumi", "where"], capture_output=True).returncode:
        if "engine" in os.environ.get("TRAINING_REQUIRE", "").split(","):
            pytest.fail("no pulumi: run tools/pulumi")
        pytest.skip("no pulumi: run tools/pulumi")
    folder = tmp_path / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    kept = {
        n: v
        for n, v in os.environ.items()
        if not n.startswith(("PULUMI_", "TRAINING_", "VIRTUAL_ENV", "MAKE"))
    }
    if "TRAINING_ENGINE_DIR" in os.environ:
        kept["TRAINING_ENGINE_DIR"] = os.environ["TRAINING_ENGINE_DIR"]
    own = {
        "PULUMI_HOME": str(tmp_path / "pulumi-home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "TRAINING_STATE_DIR": str(tmp_path / "training-state"),
        "TRAINING_CACHE_DIR": str(tmp_path / "training-cache"),
        "NO_COLOR": "1",
    }
    return Checkout(folder, {**kept, **own})


def test_the_quickstart_from_make_up_to_make_destroy(checkout: Checkout) -> None:
    checkout.make("up")
    outputs = json.loads(checkout.shell("pulumi stack output --json"))
    assert float(outputs["accuracy"]) >= 0.93
    assert Path(outputs["model"]).is_file()
    assert Path(outputs["model"]).is_relative_to(checkout.folder)
    assert sorted(path.name for path in Path(outputs["logs"], "std").iterdir()) == [
        f"rank-{r}.log" for r in range(4)
    ]
    assert list(Path(outputs["logs"]).rglob("events.out.tfevents*"))
    assert list(Path(outputs["outputs"]).glob("*.png"))

    assert "5 unchanged" in checkout.make("up")
    script = checkout.folder / "stacks" / "quickstart" / "src" / "train.py"
    script.touch()
    assert "5 unchanged" in checkout.make("preview")

    script.write_text(script.read_text() + "\n# a word more\n")
    preview = checkout.make("preview")
    assert "train.py changed" in preview
    assert "1 to replace" in preview
    assert "1 replaced" in checkout.shell("pulumi up --yes --skip-preview")
    again = json.loads(checkout.shell("pulumi stack output --json"))
    assert float(again["accuracy"]) >= 0.93
    assert again["model"] != outputs["model"]
    assert Path(outputs["model"]).is_file()  # the record stays

    assert "5 deleted" in checkout.make("destroy")
    deadline = time.monotonic() + 20
    while (left := checkout.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert Path(again["model"]).is_file()


@pytest.mark.parametrize("example", ["sklearn-single-node"])
def test_an_example_runs_as_it_stands(checkout: Checkout, tmp_path: Path, example: str) -> None:
    folder = checkout.folder / "examples" / example
    (tmp_path / "state").mkdir()
    checkout.environment["PULUMI_BACKEND_URL"] = f"file://{tmp_path / 'state'}"
    checkout.shell("pulumi stack init dev", folder)
    checkout.shell("pulumi up --yes", folder)
    outputs = json.loads(checkout.shell("pulumi stack output --json", folder))
    assert Path(outputs["outputs"]).is_dir()
    assert float(outputs["metrics"]["accuracy"]) >= 0.95
    assert "unchanged" in checkout.shell("pulumi preview", folder)
    checkout.shell("pulumi destroy --yes --skip-preview", folder)


def _mentions(process: psutil.Process, text: str) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(text in value for value in (*process.environ().values(), *process.cmdline()))
    except (psutil.Error, OSError):
        return False
