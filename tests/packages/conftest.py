"""The packages that lie here are imported from where they lie: nothing is installed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "tiny"))
