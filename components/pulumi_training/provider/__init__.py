"""Pulumi's protocol: the plugin that the engine starts.

Here: wire values, check, diff, create, read, update, delete, progress, Cancel, Construct, and the server. Not
here: how a run is driven. May import: `driver`, `resources` and below.
"""

from .status_message import share

share()  # before anything here imports Pulumi's copy, or a store's driver Google's
