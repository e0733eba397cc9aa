"""The launch request as the agent reads it: `launch.json`, written by a target from `launch.request`."""

from __future__ import annotations

from .facts import read_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1


class Limits:
    """Seconds; None means no limit. `grace` lies between SIGTERM and SIGKILL, `start` is for every rank's hello."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.run = _seconds(document.get("run_seconds"))
        self.stall = _seconds(document.get("stall_seconds"))
        self.grace = float(document.get("grace_seconds", 30))
        self.start = float(document.get("start_seconds", 300))


class Request:
    """One launch. Field meanings stand at `launch.request.LaunchRequest`.

    Raises ValueError where a field is missing or written for another version.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        if document.get("version") != VERSION:
            raise ValueError(
                f"launch request of version {document.get('version')!r}; this agent reads {VERSION}"
            )
        try:
            self.run_id: str = document["run_id"]
            self.attempt = int(document["attempt"])
            self.node_count = int(document["node_count"])
            self.ranks_per_node = int(document["process_count_per_node"])
            self.script: list[str] = document["script"]
            self.cwd: str = document["cwd"]
            self.folder: str = document["folder"]
        except KeyError as missing:
            raise ValueError(f"launch request without {missing.args[0]!r}") from missing
        self.store: str = document.get("store") or ""
        self.hosts: list[str] = document.get("hosts") or ["localhost"]
        self.launcher: list[str] | None = document.get("launcher")
        self.agent: list[str] = document.get("agent") or []
        self.environment: dict[str, str] = document.get("environment") or {}
        self.secret_names: list[str] = document.get("secret_names") or []
        self.backend: str | None = document.get("backend")
        self.slot_cores: int | None = document.get("slots_cores")
        self.gpus: list[list[int]] = document.get("gpus") or []
        self.master_addr: str = document.get("master_addr") or "127.0.0.1"
        self.master_port = int(document.get("master_port") or 29500)
        self.worker_count: int | None = document.get("worker_count")
        self.parameter_server_count = int(document.get("parameter_server_count") or 0)
        self.limits = Limits(document.get("limits") or {})
        self.spare: str | None = document.get("spare_folder")
        self.is_alone = False
        self.secret_file: str | None = None

    @property
    def world_size(self) -> int:
        """How many ranks there are."""
        return self.node_count * self.ranks_per_node

    @property
    def is_single_host(self) -> bool:
        """Whether all ranks run on this machine, nodes being labels only."""
        return len(set(self.hosts)) == 1

    def node_of(self, rank: int) -> int:
        """The node of a rank; ranks fill one node after the other."""
        return rank // self.ranks_per_node

    def rank_file(self, rank: int) -> str:
        """Where the facts of a rank are kept."""
        return f"{self.folder}/ranks/{rank}.json"

    def log_file(self, rank: int) -> str:
        """Where the output of a rank's script goes."""
        return f"{self.folder}/logs/std/rank-{rank}.log"


def read_request(path: str) -> Request:
    """Reads `launch.json`. Raises OSError or ValueError."""
    return Request(read_json(path))


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)
