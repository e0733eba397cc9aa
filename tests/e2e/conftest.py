"""Fixtures for what a new user does; `checkout` is the way in."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1]))

from checkout import checkout  # noqa: F401 - a fixture
