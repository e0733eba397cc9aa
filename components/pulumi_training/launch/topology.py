"""How ranks lie on nodes: they fill one node after the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topology:
    """`node_count` nodes with `process_count_per_node` ranks each; both at least 1 (else ValueError)."""

    node_count: int = 1
    process_count_per_node: int = 1

    def __post_init__(self) -> None:
        if self.node_count < 1 or self.process_count_per_node < 1:
            raise ValueError("a topology has at least one node and one process on it")

    @property
    def world_size(self) -> int:
        """How many ranks there are."""
        return self.node_count * self.process_count_per_node

    def node_of(self, rank: int) -> int:
        """The node of a rank."""
        return rank // self.process_count_per_node
