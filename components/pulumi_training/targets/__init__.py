"""Where runs execute: one folder for each place, one contract for all.

Here: `contract/`, what every target keeps, and one folder per target. Not here: retries, records
of outcome, waiting policies; those are the driver's. May import: `environment`, `data`, `record` and below.
"""
