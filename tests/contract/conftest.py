"""What several contracts stand on."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from object_stores import azure_endpoint, bucket, gcs_endpoint, s3_endpoint

__all__ = ["azure_endpoint", "bucket", "gcs_endpoint", "s3_endpoint"]
