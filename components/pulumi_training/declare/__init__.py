"""What the components of every target are made of.

Here: the base of a component, the three bases of workspace, datastore and cluster, references to data, and what tells
whether a program runs. Not here: a target, a resource. A program that only declares must start fast: only Pulumi's SDK
and `spec` may be imported.
"""
