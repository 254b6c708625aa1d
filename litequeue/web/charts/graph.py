"""A flow as layers of jobs from left to right, with a curve from each job to those that wait for it.

Owns where the jobs and the curves lie. The jobs are a list for each layer in HTML, of a width and height that ``app.css`` knows too; the curves lie behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ...store.pages.parts import FlowNode
from ..html import Markup, el

# As in app.css: .flow ol and .flow li.
COLUMN: Final = 208
GAP: Final = 56
ROW: Final = 54
BOX: Final = 46


def layers(nodes: Iterable[FlowNode], edges: Iterable[tuple[int, int]]) -> list[list[FlowNode]]:
    """By layer; in each, who waits for the same stands together: by where its parents stand on average."""
    found: dict[int, list[FlowNode]] = {}
    for node in nodes:
        found.setdefault(node.layer, []).append(node)
    parents: dict[int, list[int]] = {}
    for parent, child in edges:
        parents.setdefault(child, []).append(parent)
    placed: dict[int, float] = {}
    ordered = []
    for layer in sorted(found):
        row = sorted(found[layer], key=lambda node: (_middle(parents.get(node.id, ()), placed), node.id))
        placed.update((node.id, float(number)) for number, node in enumerate(row))
        ordered.append(row)
    return ordered


def _middle(ids: Sequence[int], placed: Mapping[int, float]) -> float:
    rows = [placed[each] for each in ids if each in placed]
    return sum(rows) / len(rows) if rows else 0.0


def curves(columns: Sequence[Sequence[FlowNode]], edges: Iterable[tuple[int, int]]) -> Markup:
    """Those that lie behind the lists."""
    at = {node.id: (column, row) for column, nodes in enumerate(columns) for row, node in enumerate(nodes)}
    paths = (el("path", d=_curve(at[parent], at[child])) for parent, child in edges if parent in at and child in at)
    width = len(columns) * (COLUMN + GAP) - GAP
    height = max(map(len, columns), default=0) * ROW
    return el("svg", paths, width=width, height=height, viewBox=f"0 0 {width} {height}", aria_hidden="true")


def _curve(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] * (COLUMN + GAP) + COLUMN, start[1] * ROW + BOX // 2
    x2, y2 = end[0] * (COLUMN + GAP), end[1] * ROW + BOX // 2
    half = max((x2 - x1) // 2, GAP // 2)
    return f"M{x1} {y1}C{x1 + half} {y1} {x2 - half} {y2} {x2} {y2}"
