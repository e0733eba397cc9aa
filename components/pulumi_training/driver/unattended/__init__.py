"""Drives runs that a service owns, from whatever process waits for them: no supervisor, and no thread for a run.

Here: one loop of this process for all such runs, one question a tick for each workspace, and bounded pools for what
blocks. Not here: the steps of an attempt, which are those of every run (`driver.passage`, `driver.settle`). A run is
let go of when the process ends: its record and the service have all that the next driver needs.
"""
