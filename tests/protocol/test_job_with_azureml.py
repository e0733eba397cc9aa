"""A job that names a package of Azure ML's among its own: what its script reports is in the record."""

from __future__ import annotations

import json

from job_plugin import Jobs

CORE = '''
import zipfile
RUN = """
class Run:
    @classmethod
    def get_context(cls, allow_offline=True, **more):
        return cls()
    def log(self, name, value): print("lost", name)
    def tag(self, name, value): print("lost", name)
    def upload_file(self, name, path): print("lost", name)
"""
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "azureml_core-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("azureml/__init__.py", "__path__ = __import__('pkgutil').extend_path(__path__, __name__)")
        wheel.writestr("azureml/core/__init__.py", "from azureml.core.run import Run")
        wheel.writestr("azureml/core/run.py", RUN)
        wheel.writestr("azureml_core-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: azureml-core\\nVersion: 1.0\\n")
        wheel.writestr("azureml_core-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("azureml_core-1.0.dist-info/RECORD", "")
    return name
'''
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "azureml-core"
version = "1.0"
"""
SCRIPT = """
from importlib.metadata import version
from azureml.core import Run
assert version("azureml-core") == "1.0"
run = Run.get_context()
run.log("accuracy", 0.75)
run.tag("kind", "small")
open("model.bin", "w").write("m")
run.upload_file("outputs/model.bin", "model.bin")
"""


def test_metrics_tags_and_uploads_arrive(lab: Jobs) -> None:
    lab.source(PROJECT, "azureml-core/pyproject.toml")
    lab.source(CORE, "azureml-core/backend.py")
    lab.source(SCRIPT)
    made, _ = lab.train(environment={"pipPackages": ["./azureml-core"]})
    assert made.outputs["metrics"] == {"accuracy": 0.75}
    assert [file["path"] for file in made.outputs["files"]] == ["model.bin"]
    assert any(line.startswith("azureml-core") for line in made.outputs["environmentLock"]), (
        "it is installed as ever"
    )
    attempt = lab.record(made.id).attempt(1)
    assert b"lost" not in lab.log(made)
    tags = [json.loads(p.read_text()) for p in attempt.folder.rglob("tags.json")]
    assert {"kind": "small"} in tags
