"""Every test has folders, a backend and a job of its own."""

from driver_fakes import backend, folders, job

__all__ = ["backend", "folders", "job"]
