"""Pulumi's lock, and the process that made it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pulumi_training.record.stack_files import locks


def lock(backend: Path, where: str = "organization/shop/dev", **content: Any) -> None:
    path = backend / ".pulumi" / "locks" / where / "an-id.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(timezone.utc).isoformat()
    path.write_text(
        json.dumps({"pid": os.getpid(), "hostname": socket.gethostname(), "timestamp": now, **content})
    )


def test_a_lock_lives_with_the_process_that_made_it(tmp_path: Path) -> None:
    lock(tmp_path)
    (found,) = locks(tmp_path)
    assert (found.project, found.stack, found.pid, found.is_alive) == ("shop", "dev", os.getpid(), True)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lock(tmp_path, pid=dead.pid)
    assert not locks(tmp_path)[0].is_alive
