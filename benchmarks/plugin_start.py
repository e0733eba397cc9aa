"""The plugin's start beside `python -c "import pulumi"`: until its port, and until the first Check is answered."""

from __future__ import annotations

import subprocess
import sys
import time

from .bench import Bench
from .figure import Figure, ratio
from .pairs import interleaved, timed
from .plugin_process import Listener, job, start
from .trees import make_source


def measure(bench: Bench) -> list[Figure]:
    """Both from one start in each round."""
    place = bench.place("plugin-start")
    make_source(place / "src", "print('hello')\n", files=40)
    listener = Listener()
    inputs = job(place / "store")
    checks: list[float] = []

    def port(number: int) -> float:
        plugin = start(place, listener)
        try:
            plugin.configure()
            plugin.check("first", inputs)
            if number >= 0:
                checks.append(time.perf_counter() - plugin.started_at)
        finally:
            plugin.process.kill()
            plugin.close()
        return plugin.port_after

    floor = timed(lambda: subprocess.run([sys.executable, "-c", "import pulumi"], check=True, timeout=60))
    taken = interleaved({"port": port, "import": floor}, bench.rounds(15))
    listener.stop()
    peer = taken["import"], "import pulumi"
    return [
        Figure("plugin start → port printed", taken["port"], ratio(1.5), *peer),
        Figure("plugin start → first Check answered", checks, ratio(2.5), *peer),
    ]
