"""How many files this process may hold open: the driver's lock is one for each run."""

from __future__ import annotations

import resource

_ENOUGH = 8192


def allow_many_files() -> None:
    """Raises the soft limit as far as a process may by itself, and no further than is of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return  # as many as there are must do
