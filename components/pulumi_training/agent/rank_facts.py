"""The facts of a rank, as `ranks/<r>.json` has them from the start."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .request import Request


def first_facts(request: Request, rank: int) -> dict[str, Any]:
    """What is known of a rank before its script is started. Times are seconds since 1970 (UTC)."""
    return {
        "rank": rank,
        "node": request.node_of(rank),
        "local_rank": rank % request.ranks_per_node,
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "script_pid": None,
        "state": "waiting",
        "started_at": time.time(),
        "ended_at": None,
        "exit_code": None,
        "signal": None,
        "success": False,
        "exception": None,
        "oom": None,
        "stopped_by_us": False,
        "ended_by_launcher": False,
    }
