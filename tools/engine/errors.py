"""The one error of this package."""


class EngineError(Exception):
    """The pulumi command line could not be had; the message says what to do about it."""
