"""Lets a stalled Python script be asked for its stacks, then makes way for the user's own sitecustomize.

This folder stands first on PYTHONPATH of a rank's script. `faulthandler` writes from C, so it answers even
while the script waits inside an MPI call; it writes to stderr, which is the rank's log.
"""

import os
import sys


def _answer_for_stacks():  # type: ignore[no-untyped-def]  # any Python 3, annotations or not
    try:
        import faulthandler
        import signal

        if signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL:
            faulthandler.register(signal.SIGUSR2, file=2, all_threads=True, chain=False)
    except (ImportError, AttributeError, OSError, ValueError, RuntimeError):
        pass  # an interpreter without them: the script runs all the same, only without stacks


def _make_way():  # type: ignore[no-untyped-def]
    here = os.path.dirname(os.path.abspath(__file__))
    ours = sys.modules.pop("sitecustomize", None)
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as missing:
        if missing.name != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours  # the import under way wants to find one


_answer_for_stacks()  # type: ignore[no-untyped-call]
_make_way()  # type: ignore[no-untyped-call]
