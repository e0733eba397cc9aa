"""The object services by their URLs' schemes: the extra that brings a driver, and what drivers say, in lower case."""

from __future__ import annotations

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
EXTRAS |= {"abfs": "azure-storage", "abfss": "azure-storage", "az": "azure-storage"}
REFUSALS = (
    "credential",
    "forbidden",
    "accessdenied",
    "access denied",
    "authenticat",
    "unauthorized",
    "invalidaccesskey",
    "access key",
    "signature",
)
"""Signs of rights or credentials that are missing."""
NO_BUCKET = ("containernotfound", "nosuchbucket", "bucket does not exist")
"""Signs of a bucket or container that is not there; looked for before the refusals."""
