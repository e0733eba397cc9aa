"""Every test has a state folder, a cache and a memory store of its own."""

from records import folder_store, folders, record, store

__all__ = ["folder_store", "folders", "record", "store"]
