"""The local target: this machine, one `mpirun`, nodes as labels.

Here: environments in uv, the slots of a cluster shared by all processes of the machine, the agent started and
watched as a child. May import: everything a target may.
"""
