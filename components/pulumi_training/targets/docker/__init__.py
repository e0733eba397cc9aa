"""The Docker target: one container per node on any Docker Engine, near or far, MPI across them without ssh.

Here: the daemon, its address, its errors, its images, and the making and removal of containers, volumes and networks; the
daemon as a transport. Not here: what any backend of containers needs (`targets.containers`). Nothing assumes that the daemon
shares this machine's files. May import: everything a target may, and `containers`.
"""
