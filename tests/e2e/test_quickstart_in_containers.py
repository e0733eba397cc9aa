"""`make up TARGET=docker`: the quickstart on containers, as a new user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import daemon
import pytest
from checkout import Checkout

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.docker, pytest.mark.timeout(900)]


def test_the_quickstart_in_containers(checkout: Checkout) -> None:
    daemon.base_image()
    checkout.environment.update(daemon.variables())
    checkout.make("up", "TARGET=docker")
    outputs = json.loads(checkout.shell("pulumi stack output --json"))
    assert float(outputs["accuracy"]) >= 0.93
    assert Path(outputs["model"]).is_file()
    assert sorted(p.name for p in Path(outputs["logs"], "std").iterdir()) == [
        f"rank-{rank}.log" for rank in range(4)
    ]
    assert "5 unchanged" in checkout.make("up", "TARGET=docker")

    script = checkout.folder / "stacks" / "quickstart" / "src" / "train.py"
    before_it = script.read_text()
    script.write_text(before_it + "\n# a word more\n")
    assert "train.py changed" in checkout.make("preview", "TARGET=docker")
    script.write_text(before_it)

    # Back on this machine it is the same run, tried again in another place; the first attempt's outputs stay.
    here = checkout.make("preview")
    assert "compute.target docker -> local" in here
    assert "all on this machine" in here
    checkout.make("up")
    again = json.loads(checkout.shell("pulumi stack output --json"))
    assert Path(again["model"]).is_file()
    assert again["model"] != outputs["model"]

    assert "5 deleted" in checkout.make("destroy")
    assert Path(outputs["model"]).is_file(), "the record stays"
    assert not daemon.objects_of(checkout.folder), "nothing of the run is left at the daemon"


def test_without_a_daemon_it_says_what_to_do(checkout: Checkout, tmp_path: Path) -> None:
    checkout.environment["DOCKER_HOST"] = f"unix://{tmp_path}/nobody.sock"
    with pytest.raises(AssertionError) as caught:
        checkout.make("up", "TARGET=docker")
    said = str(caught.value)
    assert "Traceback" not in said
    assert f"{tmp_path}/nobody.sock" in said
    assert "pulumi-training doctor" in said
