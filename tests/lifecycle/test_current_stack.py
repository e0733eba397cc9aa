"""The stack that a job's name means is the one that `pulumi` itself has selected."""

from __future__ import annotations

import os

import pytest
from sandbox import Project, Sandbox

from pulumi_training.client.here import Here, here

pytestmark = pytest.mark.engine


def seen(project: Project, monkeypatch: pytest.MonkeyPatch, **more: str) -> Here:
    """What a command finds in the project's folder, with the environment of its `pulumi`."""
    with monkeypatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PULUMI_")] + ["PWD"]:
            patch.delenv(name, raising=False)
        for name, value in {**project.sandbox.environment, **more}.items():
            patch.setenv(name, value)
        patch.chdir(project.folder)
        return here()


@pytest.mark.parametrize("backend", ["of the environment", "of the project"])
def test_it_is_the_stack_that_pulumi_selected(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    project = sandbox.project("", name="shop")
    project.run("stack", "init", "prod").succeeded()
    assert (seen(project, monkeypatch).project, seen(project, monkeypatch).stack) == ("shop", "prod")
    project.run("stack", "select", "test").succeeded()
    if backend == "of the environment":
        assert seen(project, monkeypatch).stack == "test"
        assert seen(project, monkeypatch, PULUMI_STACK="organization/shop/prod").stack == "prod"
        project.run("stack", "unselect").succeeded()
        assert seen(project, monkeypatch).stack == ""
        return
    # Each backend has a selection of its own.
    (project.folder / "states").mkdir()
    near = {"PULUMI_BACKEND_URL": "file://./states"}
    project.run("stack", "init", "near", **near).succeeded()
    assert seen(project, monkeypatch, **near).stack == "near"
    assert seen(project, monkeypatch).stack == "test"
