"""Where things are in a node. Every path is one of the node's own file system."""

from __future__ import annotations

from collections.abc import Iterable

ROOT = "/training"
"""Where a node's own disk is mounted."""
FOLDER = f"{ROOT}/run"
"""The attempt's folder in every node."""
CODE = f"{FOLDER}/code"
DATA = f"{ROOT}/data"
MOUNTS = "/training-data"
RESUME = f"{ROOT}/resume"
AGENT_FOLDER = f"{ROOT}/agent"
"""In memory where the node's processes are root's: of many small files a disk makes a lasting affair."""
AGENT = f"{AGENT_FOLDER}/__main__.py"
SHELL_FILE = f"{AGENT_FOLDER}/remote-shell"
"""What launchers call in place of ssh: `agent exec` as one file, because hydra takes no words after it."""
SECRET_FILE = f"{ROOT}/secret"
COLLECTED = ("launch", "ranks", "metrics", "logs", "outputs")
"""The parts of the attempt's folder that are brought home."""
FIRST_NODE = ("launch", "ranks", "metrics", "logs")
OTHER_NODES = ("ranks", "metrics", "logs/std", "logs/stacks")
"""What comes while a run goes on. Nodes have no common disk: what scripts write themselves under equal names is sorted
out at the end."""
EVENTS = "logs"
"""Where other nodes' event files are, which are told apart by their names and so come as they grow."""
ROOT_USER = [0, 0]


def host_name(node: int) -> str:
    """How the nodes of a run call one another."""
    return f"node-{node}"


def is_event_file_of(node: int, name: str) -> bool:
    """Whether a file is one node's alone by its name, as the writers of event files give it."""
    return name.startswith(f"{EVENTS}/") and "tfevents" in name and f".{host_name(node)}" in name


def named_parts(folders: Iterable[str]) -> list[str]:
    """The folders of named outputs, as parts of the attempt's folder."""
    return [place.removeprefix(f"{FOLDER}/") for place in folders if place.startswith(f"{FOLDER}/")]
