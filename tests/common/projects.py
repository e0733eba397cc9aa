"""Folders with a Pulumi.yaml, a workspace in each, and the stack that is selected there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from shelf import Shelf

from pulumi_training.record import workspaces
from pulumi_training.record.store import Store


@dataclass(frozen=True)
class Project:
    """A folder with a Pulumi.yaml, and a workspace in it."""

    folder: Path
    name: str

    def shelf(self, stack: str = "dev") -> Shelf:
        store = self.folder / ".training" / "lab"
        store.mkdir(parents=True, exist_ok=True)
        workspaces.remember(str(store), "lab", "local")
        return Shelf(Store.open(str(store)), self.name, stack)

    def select(self, stack: str, **by_backend: str) -> None:
        """As `pulumi stack select` does."""
        digest = hashlib.sha1(str(self.folder / "Pulumi.yaml").encode()).hexdigest()
        file = Path(self.folder.parent, "pulumi", "workspaces", f"{self.name}-{digest}-workspace.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"stack": stack, **({"stacks": by_backend} if by_backend else {})}))


def project(tmp_path: Path, name: str, folder: str = "") -> Project:
    place = tmp_path / (folder or name)
    place.mkdir()
    (place / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\nbackend: {{url: 'file://{place}'}}\n")
    return Project(place, name)
