"""A program that ends quietly when the engine interrupts it.

Pulumi's engine (seen with 3.259) sends its Python executor SIGINT when a resource failed; the executor dies of a
KeyboardInterrupt, and forty lines of its traceback bury the resource's own reason.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

_EXECUTOR = "pulumi-language-python-exec"


def keep_interrupts_quiet() -> None:
    """Inside Pulumi's executor an interrupt prints no traceback; everywhere else nothing changes."""
    main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    if Path(main).name != _EXECUTOR or getattr(sys.excepthook, "_is_quiet", False):
        return
    loud = sys.excepthook

    def quiet(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            loud(kind, error, traceback)

    quiet._is_quiet = True  # type: ignore[attr-defined]
    sys.excepthook = quiet
