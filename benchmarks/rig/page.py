"""The page of benchmarks and its plots, made of `benchmarks/results`: `python -m benchmarks.rig.page` writes them."""

import ast
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby
from pathlib import Path

from benchmarks.rig.results import ROOT, Goal, Result, read_results

PAGE = "docs/reference/benchmarks.md"
PLOTS = "docs/images/benchmarks"
_HEAD = """# Benchmarks

Made by `make bench` of the results in `benchmarks/results`. Each benchmark measures Kaboom and a peer, or a physical
limit, in the same run: trust the ratios, not the milliseconds of one machine.
[What each one does](../../benchmarks/README.md)

A plot has a bar for each goal. A bar that ends before the line meets its goal; one that ends half-way is twice as good
as the goal asks.
"""
#: Of the plot, in pixels: a line, the names, and the bar of a figure that is exactly its goal.
_LINE, _NAMES, _GOAL, _WIDTH = 22, 440, 220, 880
_LETTERS = 64
_MET, _MISSED, _INK = "#2f6f9f", "#c0392b", "#222222"


def make_files(results: Mapping[str, Result]) -> dict[str, str]:
    """Return the text of the page and of each plot, by its path in the clone."""
    plots = {f"{PLOTS}/{name}.svg": draw(result.goals) for name, result in results.items()}
    return {PAGE: _make_page(results), **plots}


def draw(goals: list[Goal]) -> str:
    """Return an SVG with a bar for each goal, beside a line at the goal; a bar of over 1.5 goals is cut off."""
    height, line = _LINE * len(goals) + 12, _NAMES + _GOAL
    size = f'width="{_WIDTH}" height="{height}"'
    font = 'font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_WIDTH} {height}" {font}>',
        f'<rect {size} fill="#ffffff"/>',
        *(part for number, goal in enumerate(goals) for part in _bar(6 + number * _LINE, goal)),
        f'<line x1="{line}" y1="2" x2="{line}" y2="{height - 2}" stroke="{_INK}"/>',
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def _bar(y: int, goal: Goal) -> Iterator[str]:
    name = goal.name if len(goal.name) <= _LETTERS else f"{goal.name[: _LETTERS - 1]}…"
    width = max(min(goal.share, 1.5) * _GOAL, 1)
    figure, color = f"{format_number(goal.value)} ({goal.bound})", _MET if goal.is_met else _MISSED
    yield f'<text x="{_NAMES - 8}" y="{y + 15}" text-anchor="end" fill="{_INK}">{escape(name)}</text>'
    yield f'<rect x="{_NAMES}" y="{y + 4}" width="{width:.1f}" height="14" fill="{color}"/>'
    yield f'<text x="{_NAMES + max(width, _GOAL) + 8:.1f}" y="{y + 15}" fill="{_INK}">{figure}</text>'


def format_number(value: float) -> str:
    """Return a number with three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _make_page(results: Mapping[str, Result]) -> str:
    return "\n".join([_HEAD, *_summary(results), *(line for name in results for line in _section(name, results[name]))])


def _summary(results: Mapping[str, Result]) -> Iterator[str]:
    yield "| benchmark | goals met | of | date | run |"
    yield "|---|---|---|---|---|"
    for name, result in results.items():
        met = sum(goal.is_met for goal in result.goals)
        yield f"| [{name}](#{name}) | {met} | {len(result.goals)} | {result.date} | {_kind(result)} |"
    yield ""


def _kind(result: Result) -> str:
    said = "quick" if result.is_quick else "whole"
    return f"{said}, on a busy machine" if result.was_busy else said


def _section(name: str, result: Result) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield _summary_of(name)
    yield ""
    if result.was_busy:
        yield f"Other work took the machine (load {result.load:g} on {result.cores} cores): no figure here is reliable."
        yield ""
    versions = ", ".join(f"{part} {number}" for part, number in result.versions.items())
    yield f"`{result.command}` · {result.date} · commit `{result.commit}` · load {result.load:g} before it"
    yield ""
    yield f"{result.machine}, {versions}"
    yield ""
    yield f"![How much of each goal was needed](../images/benchmarks/{name}.svg)"
    yield ""
    yield "| goal | measured | asked | |"
    yield "|---|---|---|---|"
    for goal in result.goals:
        verdict = "met" if goal.is_met else "missed"
        yield f"| {_cell(goal.name)} | {format_number(goal.value)} | {goal.bound} | {verdict} |"
    yield ""
    for columns, group in groupby(result.rows.items(), key=lambda item: tuple(item[1])):
        yield "| | " + " | ".join(map(_cell, columns)) + " |"
        yield "|---" * (len(columns) + 1) + "|"
        for row, values in group:
            yield f"| {_cell(row)} | " + " | ".join(map(format_number, values.values())) + " |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _summary_of(name: str) -> str:
    text = ast.get_docstring(ast.parse((ROOT / f"benchmarks/{name}.py").read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def main(root: Path = ROOT) -> None:
    """Write the page and the plots."""
    (root / PLOTS).mkdir(exist_ok=True)
    for path, text in make_files(read_results()).items():
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
