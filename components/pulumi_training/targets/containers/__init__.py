"""What any backend of containers needs, whichever it is: a container for each node, MPI across them through the agent.

Here: names and labels, places in a node, what a node is given and how it starts, the streams of its logs, and what comes
home at the end. Not here: any backend's client, address or settings. May import: everything a target may, and no target.
"""
