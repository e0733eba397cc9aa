"""The place of a benchmark run: settings put aside, processes ended, nothing left; and the helpers of figures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from benchmarks import catalog, heavy_output
from benchmarks.__main__ import main
from benchmarks.bench import Bench, opened
from benchmarks.figure import Figure, most


def test_a_persons_settings_are_put_aside_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///mine")
    monkeypatch.setenv("TRAINING_CACHE_DIR", "/mine")
    with opened() as bench:
        assert "PULUMI_BACKEND_URL" not in os.environ
        assert os.environ["TRAINING_CACHE_DIR"].startswith(str(bench.folder))
    assert os.environ["PULUMI_BACKEND_URL"] == "file:///mine"
    assert os.environ["TRAINING_CACHE_DIR"] == "/mine"
    assert not bench.folder.exists()


def test_a_benchmark_that_fails_is_a_line_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Broken:
        @staticmethod
        def measure(bench: Bench) -> list[Figure]:
            raise RuntimeError("no engine\nhere")

    class Whole:
        @staticmethod
        def measure(bench: Bench) -> list[Figure]:
            return [Figure("whole", (1.0,), most(2.0))]

    modules: dict[str, Any] = {"benchmarks.cancel": Broken, "benchmarks.reattach": Whole}
    monkeypatch.setattr(catalog.importlib, "import_module", modules.__getitem__)
    first, second = catalog.measure(Bench(tmp_path), ["cancel", "reattach"])
    assert (first.name, first.trouble) == ("cancel", "no engine")
    assert second.is_within


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])
    assert "first_instruction" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda text: text, 0),
        (lambda text: text[:-100], 100),
        (lambda text: text + b"more\n", 5),
        (lambda text: text[:50] + b"?" + text[51:], 1),
    ],
)
def test_every_byte_of_a_log_is_compared(tmp_path: Path, change: Any, wrong: int) -> None:
    whole = b"".join(heavy_output.block(2, number) for number in range(1))
    assert len(whole) == 1_000_000
    (tmp_path / "rank-2.log").write_bytes(change(whole))
    assert heavy_output.missing(tmp_path / "rank-2.log", 2, 1) == wrong
