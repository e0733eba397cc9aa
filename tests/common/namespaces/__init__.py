"""A backend of containers that is made of this machine's processes: a node is a process in Linux namespaces of its own.

It does what a daemon far away does, by other means: no archive call but `tar` by exec, nodes that start once and tell
nothing of what they said but a file, and on wish nodes of which nothing can be read once they ended.
"""
