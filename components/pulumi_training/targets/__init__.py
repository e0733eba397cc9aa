"""Where runs execute: one folder for each place, one contract for all.

Here: `contract/`, what every target keeps, `containers/`, what those have alike whose nodes are containers, one folder per
target with all that is known of it, `catalog.py`, which names them, `packages.py`, which finds those of other packages, and
`rules.py`, what a job may ask of its target. Not here: retries, records of outcome, waiting policies; those are the driver's.
May import: `environment`, `data`, `record` and below.
"""
