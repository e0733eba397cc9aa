"""How ranks start, as text.

Here: topology arithmetic, the `mpirun` line of each MPI, the environment contract shared by all ranks, and
the launch request that the agent is given. Pure: no I/O, no process. May import: `spec`.
"""
