"""The Docker target: one container per node on any Docker Engine, near or far, MPI across them without ssh.

Here: the plan of containers, their making and removal, what goes in and comes out through the engine's own
API, and the watch over them. Nothing assumes that the daemon shares this machine's files. May import:
everything a target may.
"""
