"""The quickstart and the examples as a new user runs them: in a copy of the checkout, through `make` and `pulumi`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from checkout import Checkout

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.mpi, pytest.mark.timeout(900)]


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
