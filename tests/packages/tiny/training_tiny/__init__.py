"""A tiny target: one process on this machine, by a backend that is a folder. It is here for tests."""
