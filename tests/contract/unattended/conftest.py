"""A server of the service, and a program's folder; nothing of either is left afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from unattended.descriptor import register
from unattended.jobs import Jobs
from unattended.names import CREDENTIAL
from unattended.service import TOKEN, Service

from pulumi_training.driver.start import let_go
from pulumi_training.targets import catalog


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [n for n in os.environ if n.startswith("TRAINING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv(CREDENTIAL, TOKEN)
    monkeypatch.setattr(catalog, "_OURS", dict(catalog._OURS))
    register()
    yield
    let_go(5.0)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "service")
    made.start()
    yield made
    made.rule(is_silent=False)
    for found in made.attempts():
        made.ask("remove", name=found["name"])
    made.stop()


@pytest.fixture
def jobs(tmp_path: Path, service: Service) -> Jobs:
    return Jobs(tmp_path / "program", service)
