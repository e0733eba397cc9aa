"""What a process of ours has imported, by what the interpreter itself says: `python -X importtime`.

Stands on nothing of the package's own, so that any version of it can be measured: `python imported.py COMPONENTS`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = "pulumi_training"
JOB = {
    "sourceDirectory": "src",
    "entryScript": "train.py",
    "compute": {"target": "local", "workspace": "lab", "store": "./.training/lab", "cluster": "cpu"},
}
_TRACED = [sys.executable, "-X", "importtime"]


@dataclass(frozen=True)
class Imported:
    """Modules by name; `own` has those of the package with the size of their source in bytes."""

    own: Mapping[str, int]
    others: frozenset[str]

    @property
    def modules(self) -> int:
        """How many of the package's modules."""
        return len(self.own)

    @property
    def size(self) -> int:
        """Bytes of their source."""
        return sum(self.own.values())

    @property
    def libraries(self) -> frozenset[str]:
        """The packages of others, standard library apart."""
        tops = {name.partition(".")[0] for name in self.others}
        return frozenset(top for top in tops if top not in sys.stdlib_module_names)


def at_start(components: Path) -> Imported:
    """What the plugin has imported when it has said its port; its handlers, which load after that, are left out."""
    with tempfile.TemporaryDirectory() as place, _plugin(components, Path(place), "dict") as (_, said):
        return _parsed(said.read_text(), components)


def at_first_check(components: Path) -> Imported:
    """What the plugin has imported when it has answered the first Check of a job, and loads nothing beside it."""
    import grpc
    from google.protobuf import json_format, struct_pb2
    from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

    with (
        tempfile.TemporaryDirectory() as place,
        _plugin(components, Path(place), "registry.package_handlers") as (port, said),
    ):
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        news = json_format.ParseDict(JOB, struct_pb2.Struct())
        urn = "urn:pulumi:dev::shop::training:index:TrainingJob::fit"
        answer = stub.Check(provider_pb2.CheckRequest(urn=urn, news=news), timeout=60)
        assert not answer.failures, answer.failures
        channel.close()
        return _parsed(said.read_text(), components)


def of_supervisor(components: Path, target: str) -> Imported:
    """What a supervisor has imported when it has loaded and waits for its order."""
    find = "from pulumi_training.driver import supervisor; print(supervisor._BOOTSTRAP)"
    bootstrap = subprocess.run(
        [sys.executable, "-c", find],
        env={"PYTHONPATH": str(components)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    line = [*_TRACED, "-I", "-S", "-c", bootstrap, str(components), "fit-a1", target]
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, cwd="/")
    return _parsed(done.stderr, components)


@contextmanager
def _plugin(components: Path, place: Path, load: str) -> Iterator[tuple[int, Path]]:
    program = f"import sys; from pulumi_training.provider import main, registry; main.main(sys.argv[1:], load={load})"
    (place / "src").mkdir()
    (place / "src" / "train.py").write_text("print('hello')\n")
    said = place / "stderr"
    with said.open("wb") as stderr:
        process = subprocess.Popen(
            [*_TRACED, "-c", program],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=place,
            env={
                "HOME": str(place),
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(components),
                "TRAINING_STATE_DIR": str(place / "state"),
            },
        )
    assert process.stdout
    with process.stdout:
        try:
            yield int(process.stdout.readline()), said
        finally:
            process.kill()
            process.wait()


def _parsed(text: str, components: Path) -> Imported:
    lines = [line for line in text.splitlines() if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip() for line in lines[1:]}
    own = {name for name in names if name.partition(".")[0] == PACKAGE}
    return Imported({name: _size(name, components) for name in own}, frozenset(names - own))


def _size(name: str, components: Path) -> int:
    path = components.joinpath(*name.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).stat().st_size


def _told(found: Imported) -> dict[str, Any]:
    return {
        "modules": found.modules,
        "size": found.size,
        "libraries": sorted(found.libraries),
        "own": dict(found.own),
    }


if __name__ == "__main__":
    where = Path(sys.argv[1]).resolve()
    told = {"start": at_start(where), "check": at_first_check(where)}
    told |= {target: of_supervisor(where, target) for target in ("local", "docker")}
    print(json.dumps({name: _told(found) for name, found in told.items()}, indent=1))
