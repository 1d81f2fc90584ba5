"""The graph of steps that follow each other: those of a pipeline, of a run, and the attempts of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kaboom.dashboard.job_rows import MARKS as JOB_MARKS

#: The mark of each state of a run or a step: its kind, which selects the colour, and its shape.
MARKS: Mapping[str, tuple[str, str]] = {**JOB_MARKS, "waiting": ("idle", "wait"), "skipped": ("idle", "stop")}
#: The sizes of the graph, in pixels.
_WIDE, _HIGH, _GAP, _BETWEEN = 148, 46, 44, 14


class GraphStep(Protocol):
    """A step with its name and the names of the steps that it follows."""

    @property
    def name(self) -> str:
        """Its name, unique in the graph."""
        ...

    @property
    def needs(self) -> Sequence[str]:
        """The names of the steps that it follows."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """A step in the graph; `x` and `y` are its upper left corner."""

    step: GraphStep
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The steps from left to right, each after its needs, and the lines between them."""

    nodes: Sequence[Node]
    edges: Sequence[str]
    width: int
    height: int


def draw_graph(steps: Sequence[GraphStep]) -> Graph:
    """Return the graph of steps that are sorted after their needs."""
    columns: dict[str, int] = {}
    rows: dict[int, int] = {}
    nodes: dict[str, Node] = {}
    for step in steps:
        column = columns[step.name] = max((columns[need] + 1 for need in step.needs), default=0)
        row = rows.get(column, 0)
        rows[column] = row + 1
        nodes[step.name] = Node(step, 1 + column * (_WIDE + _GAP), 1 + row * (_HIGH + _BETWEEN))
    edges = [_edge(nodes[need], nodes[step.name]) for step in steps for need in step.needs]
    width = max(columns.values(), default=0) * (_WIDE + _GAP) + _WIDE + 2
    height = max(rows.values(), default=1) * (_HIGH + _BETWEEN) - _BETWEEN + 2
    return Graph(list(nodes.values()), edges, width, height)


def _edge(begin: Node, end: Node) -> str:
    """Return the path of a curve from the right side of a step to the left side of another."""
    x1, y1, x2, y2 = begin.x + _WIDE, begin.y + _HIGH // 2, end.x, end.y + _HIGH // 2
    bend = _GAP // 2
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
