"""Pulumi's SDK and Google's packages in one process."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("first", ["ours", "google"])
def test_a_failure_is_told_beside_googles_own_packages(first: str) -> None:
    pytest.importorskip("google.rpc")
    google = "from google.rpc import status_pb2\n"
    ours = (
        "from pulumi_training.provider.status_message import share\n"
        "sent = share().Status(code=9, message='told')\n"
    )
    program = (ours + google if first == "ours" else google + ours) + (
        "assert status_pb2.Status.FromString(sent.SerializeToString()).message == 'told'\n"
        "from pulumi.runtime.proto import status_pb2 as pulumis\n"
        "assert pulumis.Status is status_pb2.Status\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_googles_files_that_build_on_it_load_afterwards() -> None:
    """gcsfs brings them; Pulumi's copy has another file name, which theirs do not find."""
    pytest.importorskip("google.longrunning")
    program = (
        "import pulumi_training.provider, pulumi.provider.server\nimport google.longrunning.operations_pb2\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
