"""What several contracts stand on."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from object_stores import bucket, s3_endpoint

__all__ = ["bucket", "s3_endpoint"]
