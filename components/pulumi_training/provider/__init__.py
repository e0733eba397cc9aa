"""Pulumi's protocol: the plugin that the engine starts.

Here: wire values, check, diff, create, read, update, delete, progress, Cancel, Construct, and the server. Not
here: how a run is driven. May import: `driver`, `resources` and below.
"""
