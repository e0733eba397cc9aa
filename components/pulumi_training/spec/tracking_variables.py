"""The variables of MLflow's client that a run's ranks find, and that our own writer has."""

from __future__ import annotations

VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID")
"""What every rank finds in its environment where tracking is on."""
CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Taken from the job's secrets or the environment of `pulumi up`, and given to the script as secrets."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""For the process that writes runs, where its user says nothing else: what a server does not take is sent later.

Seconds for one request. A busy server needs five for its first ones and for a large file; it must not be taken for one
that is away, or it would never be told.
"""
