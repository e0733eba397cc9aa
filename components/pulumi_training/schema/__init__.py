"""`schema.json`: what Pulumi's other languages and its registry know of the package.

Here: its generation from the models, with the components of every target as their descriptors name them, and the
command that writes it. May import: `targets` and below.
"""
