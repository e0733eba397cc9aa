"""Another machine, as far as a process can be one: `python machine.py VERB ...`, with a HOME and folders of its own.

`cli ...` is the command line, `plugin ENGINE` the provider, `drive STORE RUN ATTEMPT` has a run driven and waits for its
end; secrets come by standard input. All know the service's target.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from unattended.descriptor import register
from unattended.names import CREDENTIAL
from unattended.service import COMMON, TOKEN


def environment(folder: Path, *, has_credential: bool = True, **more: str) -> dict[str, str]:
    """What a machine's processes find: folders of its own, none of this one's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRAINING_", "XDG_"))}
    kept.pop(CREDENTIAL, None)
    return {
        **kept,
        "HOME": str(folder / "home"),
        "XDG_STATE_HOME": str(folder / "xdg"),
        "TRAINING_STATE_DIR": str(folder / "state"),
        "TRAINING_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(COMMON),
        **({CREDENTIAL: TOKEN} if has_credential else {}),
        **more,
    }


def start(folder: Path, *words: str, text: str = "{}", **options: Any) -> subprocess.Popen[str]:
    """A process of another machine; `text` is what it reads."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, __file__, *words],
        env=environment(folder, **options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.close()
    process.stdin = None
    return process


def main() -> None:
    register()
    verb, *words = sys.argv[1:]
    if verb == "cli":
        from pulumi_training.cli.main import main as command_line

        sys.argv[1:] = words
        command_line()
    elif verb == "plugin":
        from pulumi_training.provider.main import main as plugin

        plugin(words)
    else:
        _drive(*words)


def _drive(store: str, run_id: str, number: str) -> None:
    from pulumi_training.driver.start import start as drive
    from pulumi_training.record.record import Record
    from pulumi_training.record.store import Store

    record = Record(Store.open(store), run_id)
    secrets = json.loads(sys.stdin.read() or "{}")
    drive(record, int(number), record.attempt(int(number)).document().notes.base, secrets)
    print("driving", flush=True)
    while True:
        document = record.newest().document()  # type: ignore[union-attr]
        if document.is_over:
            break
        time.sleep(0.05)
    print(json.dumps(document.to_json()), flush=True)


if __name__ == "__main__":
    main()
