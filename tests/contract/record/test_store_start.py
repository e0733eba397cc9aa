"""What a store of a folder loads."""

from __future__ import annotations

import subprocess
import sys


def test_a_folder_store_starts_without_fsspec_and_pydantic() -> None:
    code = (
        "import sys, pulumi_training.record.record, pulumi_training.record.lock\n"
        "print([m for m in ('fsspec','pydantic','platformdirs','filelock','psutil','asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
