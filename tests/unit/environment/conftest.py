"""Tiny wheels and conda packages, so that environments are built without any network."""

from packages_without_network import channel, no_network, progress, said, source, uv_cache, wheels

__all__ = ["channel", "no_network", "progress", "said", "source", "uv_cache", "wheels"]
