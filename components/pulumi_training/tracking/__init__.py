"""Runs as MLflow shows them: one MLflow run for each attempt, written while it runs and put right at its end.

Here belongs what MLflow is told (parameters, metrics, tags, outcome, artifacts), where it is told so, and how far that
came, so that another process goes on from there. Here does not belong when: the driver decides. Imports record and
spec, and MLflow inside `writer` alone, which takes seconds to load and is loaded only where tracking is on. Nothing
here may end, fail or hold up a run: what goes wrong is a warning, and is made up for later.
"""
