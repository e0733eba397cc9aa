"""Where MLflow runs are written, as a workspace names it, and what cannot be such a place."""

from __future__ import annotations

from urllib.parse import urlsplit

from .urls import display, folder_of, scheme_of

IN_WORKSPACE = "workspace"
"""The word for a store inside the workspace's own folder."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
_SERVER = "start one with `mlflow server` and write its address, as 'http://mlflow.example.com:5000'"


def is_server(uri: str) -> bool:
    """Whether it is the address of a tracking server that is spoken to by HTTP."""
    return scheme_of(uri) in ("http", "https")


def tracking_problem(uri: str, store: str, *, is_here: bool) -> str | None:
    """What is wrong with a tracking URI for runs whose records are kept in `store`; None if nothing.

    `is_here`: ranks are processes of this machine, and reach its folders and its loopback addresses.
    """
    if uri == IN_WORKSPACE:
        if not is_here:
            return (
                "a store inside the workspace's folder is out of reach of containers; name a tracking server "
                f"that they reach: {_SERVER}"
            )
        if folder_of(store, path="store") is None:
            return f"{display(store)} is no folder, so MLflow cannot keep runs in it; name a tracking server: {_SERVER}"
        return None
    if not is_server(uri):
        return (
            f"{display(uri)!r} is no place for MLflow runs; write {IN_WORKSPACE!r} (tracking=True) for a store inside "
            f"the workspace's folder, or name a tracking server: {_SERVER}"
        )
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError as error:
        return f"cannot be read as an address: {error}"
    if not host:
        return f"names no host; {_SERVER}"
    if "@" in parts.netloc:
        return (
            "holds a name or a password, which the state would show; leave them out and set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) where `pulumi up` runs"
        )
    if not is_here and host in _LOOPBACK:
        return (
            f"{host} is the container itself for what runs in it; write the name or address under which containers "
            "reach the tracking server"
        )
    return None
