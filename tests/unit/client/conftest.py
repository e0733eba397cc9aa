"""Every test has a state folder, a cache, a Pulumi home and a store of its own."""

from shelf import folders, shelf

__all__ = ["folders", "shelf"]
