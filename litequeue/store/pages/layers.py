"""How the jobs of a flow lie behind each other: in which layer each is, and how many there are of a kind where they are too many. Pure.

Owns that rows which somebody has planted, a ring among them, come to an end too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .parts import FlowGroup, FlowNode


def layers(nodes: Sequence[int], edges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Of each the longest way to it from one that waits for none. What waits in a ring, or behind one, lies behind all others."""
    children: dict[int, list[int]] = {node: [] for node in nodes}
    waits = dict.fromkeys(nodes, 0)
    for parent, child in set(edges):
        if parent in children and child in waits and parent != child:
            children[parent].append(child)
            waits[child] += 1
    found: dict[int, int] = {}
    layer, ready = 0, [node for node in nodes if not waits[node]]
    while ready:
        behind = []
        for node in ready:
            found[node] = layer
            for child in children[node]:
                waits[child] -= 1
                if not waits[child]:
                    behind.append(child)
        layer, ready = layer + 1, behind
    return {node: found.get(node, layer) for node in nodes}


def groups(nodes: Iterable[FlowNode]) -> tuple[FlowGroup, ...]:
    """By layer and task."""
    found: dict[tuple[int, str], Counter[str]] = {}
    for node in nodes:
        found.setdefault((node.layer, node.task), Counter())[node.state] += 1
    return tuple(FlowGroup(task, layer, dict(states)) for (layer, task), states in sorted(found.items()))  # type: ignore[arg-type]
