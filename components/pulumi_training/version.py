"""The version of the package, its schema and its plugin."""

__version__ = "0.1.0"
