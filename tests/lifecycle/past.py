"""What an earlier version left behind, put in place on this machine: programs, states, records, plans.

Each folder of `tests/fixtures` is named by the commit whose code made it; `tests/fixtures/make.py` says how. Paths of the
machine it was made on are words between `@` there, and become those of a sandbox here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sandbox import CHECKOUT, COMPONENTS, Project, Sandbox

FIXTURES = CHECKOUT / "tests" / "fixtures"
PROJECTS = ("local", "docker", "consumer")
OUTSIDE = {
    "requirements.txt": "# nothing is needed\n",
    "environment.yml": "name: nothing\ndependencies:\n  - pip\n",
}
"""Files that jobs name by an absolute path; the path is in their run keys, so it is the same on every machine."""


def outside(commit: str) -> Path:
    """The folder of the files that jobs name by an absolute path, with them in it."""
    folder = Path("/tmp") / f"pulumi-training-{commit}"
    folder.mkdir(exist_ok=True)
    for name, text in OUTSIDE.items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)
    return folder


@dataclass(frozen=True)
class Past:
    """One commit's fixtures, placed in a sandbox whose environment has a state folder and a cache of its own."""

    commit: str
    sandbox: Sandbox

    @property
    def folder(self) -> Path:
        """Where the fixtures are kept."""
        return FIXTURES / self.commit

    @property
    def state_folder(self) -> Path:
        """What `TRAINING_STATE_DIR` names here."""
        return self.sandbox.folder / "training-state"

    def project(self, name: str) -> Project:
        """A placed project, its records below it."""
        return Project(self.sandbox, self.sandbox.folder / "projects" / name)

    def store(self, project: str, workspace: str = "lab") -> Path:
        """The record store of a workspace."""
        return self.project(project).folder / ".training" / workspace

    def state(self, project: str) -> dict[str, Any]:
        """The resources of a placed state, by name."""
        path = self.sandbox.folder / "state" / ".pulumi" / "stacks" / project / "test.json"
        resources = json.loads(path.read_text())["checkpoint"]["latest"]["resources"]
        return {resource["urn"].rsplit("::", 1)[-1]: resource for resource in resources}

    def run_ids(self, project: str) -> dict[str, str]:
        """The run ids of the jobs in a placed state, by name."""
        return {
            name: resource["id"]
            for name, resource in self.state(project).items()
            if resource["type"] == "training:index:TrainingJob"
        }

    def read(self, file: str) -> Any:
        """A JSON document of the fixtures, paths replaced."""
        return json.loads(self.here((self.folder / file).read_text()))

    def here(self, text: str) -> str:
        """A text of the fixtures with this machine's paths."""
        for word, path in words_of(self.sandbox, CHECKOUT).items():
            text = text.replace(word, path)
        return text

    def place(self) -> Past:
        """Puts everything in place."""
        outside(self.commit)
        for name in PROJECTS:
            project = make_project(self.sandbox, self.folder / "program" / name, COMPONENTS)
            shutil.copyfile(self.folder / "settings" / f"{name}.yaml", project.folder / "Pulumi.test.yaml")
            stacks = self.sandbox.folder / "state" / ".pulumi" / "stacks" / name
            stacks.mkdir(parents=True)
            self._copy(self.folder / "states" / f"{name}.json", stacks / "test.json")
        for part, destination in (("records", "projects"), ("plans", "training-state/plans")):
            root = self.folder / part
            for path in sorted(root.rglob("*")):
                target = self.sandbox.folder / destination / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink() or path.is_file():
                    self._copy(path, target)
        for line in (self.folder / "empty-folders.txt").read_text().splitlines():
            (self.sandbox.folder / "projects" / line).mkdir(parents=True, exist_ok=True)
        return self

    def _copy(self, path: Path, target: Path) -> None:
        if path.is_symlink():
            os.symlink(os.readlink(path), target)
            return
        content = path.read_bytes()
        try:
            target.write_text(self.here(content.decode()))
        except UnicodeDecodeError:
            target.write_bytes(content)


def words_of(sandbox: Sandbox, checkout: Path) -> Mapping[str, str]:
    """What stands for the paths of a machine in the fixtures, and what it is here; the longer paths first."""
    return {
        "@SANDBOX@": str(sandbox.folder),
        "@CHECKOUT@": str(checkout),
        "@DOCKER_HOST@": sandbox.environment["FIXTURE_DOCKER_HOST"],
    }


def with_folders(sandbox: Sandbox) -> Sandbox:
    """The sandbox with a state folder and a cache of its own, and the Docker daemon that the tests use."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    more = {
        "TRAINING_STATE_DIR": str(sandbox.folder / "training-state"),
        "TRAINING_CACHE_DIR": str(sandbox.folder / "cache"),
        "FIXTURE_DOCKER_HOST": host,
        "PULUMI_STACK": "test",
    }
    return replace(sandbox, environment={**sandbox.environment, **more})


def make_project(sandbox: Sandbox, program: Path, components: Path) -> Project:
    """A project of a program's folder; it finds the plugin in `components`."""
    import sys

    folder = sandbox.folder / "projects" / program.name
    shutil.copytree(program, folder, symlinks=True)
    (folder / "Pulumi.yaml").write_text(
        f"name: {program.name}\nruntime: {{name: python, options: {{toolchain: pip, virtualenv: '{sys.prefix}'}}}}\n"
        f"plugins:\n  providers:\n    - {{name: training, path: '{components}'}}\n"
    )
    return Project(sandbox, folder)
