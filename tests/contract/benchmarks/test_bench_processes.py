"""What the benchmarks start, and end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from benchmarks import downloads, object_servers
from benchmarks.bench import Bench, opened


def test_what_still_runs_is_ended() -> None:
    with opened() as bench:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=bench.folder)
    process.wait(5)
    assert not psutil.pid_exists(process.pid)


def test_an_object_store_that_is_not_there_is_left_out_with_the_way_to_bring_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRAINING_BINARIES_DIR", str(tmp_path / "none"))
    monkeypatch.setitem(object_servers._DRIVERS, "s3", "a_module_that_nobody_has")
    assert downloads.measure(Bench(tmp_path)) == []
    said = capsys.readouterr().err
    assert "S3 is left out: it needs a_module_that_nobody_has, which `make setup` brings" in said
    assert "Azure Blob is left out: `tools/object-server bring azure` brings its server" in said
