"""A driver's own copy of the package, and what it has loaded."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from pulumi_training.driver import own_code
from pulumi_training.driver.preload import modules
from pulumi_training.targets import catalog

AGAIN = {"retries": {"maxAttempts": 2, "on": ["script_failed"], "backoffSeconds": 0}}


def test_a_copy_is_made_once_and_again_when_the_package_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed" / "pulumi_training"
    (package / "driver").mkdir(parents=True)
    (package / "cli").mkdir()
    for name in ("__init__.py", "driver/__init__.py", "driver/drive.py", "cli/main.py"):
        (package / name).write_text("old = True\n")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(package)], check=True)
    monkeypatch.setattr(own_code, "_INSTALLED", package.parent)
    monkeypatch.setattr(own_code, "_found", {})

    def copy() -> Path:
        own_code._found.clear()
        with own_code.own_code() as (folders, kept):
            assert folders[1:] == [str(package.parent)] and kept is not None
            return Path(folders[0])

    first = copy()
    assert (first / "pulumi_training/driver/drive.py").read_text() == "old = True\n"
    assert list((first / "pulumi_training/driver/__pycache__").glob("drive.*.pyc")), "it loads as fast"
    assert not (first / "pulumi_training/cli").exists()
    assert copy() == first
    (package / "driver/drive.py").write_text("new = True\n")
    second = copy()
    assert second != first and (first / "pulumi_training/driver/drive.py").read_text() == "old = True\n"


LOADED = """
import importlib, sys
from pulumi_training.driver import supervise
from pulumi_training.driver.preload import Preload
from pulumi_training.targets import catalog

target = catalog.get(sys.argv[1])
Preload(target, {"retries": {"maxAttempts": 2}, "compute": {"trackingUri": "./mlruns"}}).load()
roots = tuple(p for p in sys.path if "site-packages" in p) + (sys.argv[2],)
read = []
sys.addaudithook(lambda event, args: read.append(args[0]) if event == "open" and str(args[0]).startswith(roots) else None)
class Gone:
    def find_spec(self, name, path=None, target=None):
        if not name.startswith(("encodings", "_")) and name.partition(".")[0] not in sys.stdlib_module_names:
            raise ImportError("gone: " + name)
sys.meta_path.insert(0, Gone())
import pathlib
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.store import Store
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.identity.archive import archive, extract
from pulumi_training.spec.job import JobSpec
store = Store.open(sys.argv[3])
attempt = Attempt(store, "fit-0123456789", 1)
attempt.create(AttemptDocument(run_id="fit-0123456789", attempt=1, target="local"))
(attempt.folder / "outputs" / "model").write_text("weights")
assert len(attempt.write_manifest().entries) == 1
attempt.sync_all()
archive(attempt.folder / "outputs", pathlib.Path(sys.argv[3]) / "source.tar.zst")
extract(pathlib.Path(sys.argv[3]) / "source.tar.zst", pathlib.Path(sys.argv[3]) / "again")
JobSpec.model_validate({"entryScript": "train.py"})
from pulumi_training.agent.package import install
install(pathlib.Path(sys.argv[3]) / "agent")
for name in sys.argv[4:]:
    importlib.import_module(name)
ours = [name for name in sys.modules if name.startswith("pulumi_training.")]
left = [path for path in read if "/agent/" not in str(path)]
assert not left, left
print(*ours)
"""
ELSEWHERE = ("rattler", "mlflow", "pandas")
"""Conda's packages are brought before the ranks start, and once more only where the cache was emptied."""
OTHERS = {"local": (*ELSEWHERE, "docker", "requests", "urllib3", "python_on_whales"), "docker": ELSEWHERE}


def imported_when_called(module: str, others: tuple[str, ...]) -> set[str]:
    """What the functions of a module import from other packages."""
    found = importlib.util.find_spec(module)
    assert found is not None and found.origin is not None
    names: set[str] = set()
    for function in ast.walk(ast.parse(Path(found.origin).read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module)
    return {name for name in names if name.partition(".")[0] not in others}


OF_OTHERS = {
    "pulumi_training.agent.alone": "the agent's, in a node",
    "pulumi_training.agent.daemon_line": "the agent's, in a node",
    "pulumi_training.agent.door": "the agent's, in a node",
    "pulumi_training.driver.unattended.loop": "of runs without a supervisor",
    "pulumi_training.record.object_store": "loaded with the store, before anything is read from it",
    "pulumi_training.targets.compute_settings": "the plugin's, of a new job",
    "pulumi_training.targets.packages": "loaded with the target of another package",
}
"""Modules that functions of what is loaded import, and that no supervisor needs once its run runs."""


def own_imported_when_called(module: str) -> set[str]:
    """The modules of this package that the functions of one import."""
    found = importlib.util.find_spec(module)
    assert found is not None and found.origin is not None
    package = module if found.submodule_search_locations else module.rpartition(".")[0]
    names: set[str] = set()
    for function in ast.walk(ast.parse(Path(found.origin).read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom) and node.level:
                    base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                    names |= {_module_of(base, alias.name) for alias in node.names}
    return names


def _module_of(base: str, name: str) -> str:
    is_package = Path(own_code._INSTALLED, *base.split(".")).is_dir()
    return f"{base}.{name}" if is_package else base


@pytest.mark.parametrize("target", ["local", "docker"])
def test_once_loaded_nothing_is_imported_any_more(tmp_path: Path, target: str) -> None:
    """What a run's end and its next attempt import, here and in other packages, by the functions' own words."""
    if target == "docker":
        pytest.importorskip("docker")
    needed = [name for name in modules(catalog.get(target), AGAIN) if name.startswith("pulumi_training.")]
    own = sorted(
        {*needed, *(name for module in needed for name in imported_when_called(module, OTHERS[target]))}
    )
    words = [sys.executable, "-c", LOADED, target, str(own_code._INSTALLED), str(tmp_path), *own]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    late = {name: module for module in loaded for name in own_imported_when_called(module)}
    assert {name: module for name, module in late.items() if name not in loaded}.keys() <= OF_OTHERS.keys()
