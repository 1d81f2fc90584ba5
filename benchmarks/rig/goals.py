"""What a benchmark promises, and whether it was kept."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.rig.results import Goal, keep_if_recording

__all__ = ["Goal", "report"]


def report(rows: Mapping[str, Mapping[str, float]], goals: Sequence[Goal], *, as_json: bool) -> int:
    """Print a table, the goals and a verdict for each; return the exit code."""
    keep_if_recording(rows, goals)
    if as_json:
        kept: list[dict[str, Any]] = [asdict(goal) | {"is_met": goal.is_met} for goal in goals]
        json.dump({"rows": rows, "goals": kept}, sys.stdout, indent=2)
        print()
    else:
        _print_rows(rows)
        print()
        for goal in goals:
            verdict = "ok" if goal.is_met else "MISSED"
            print(f"{goal.name:62} {goal.value:8.2f}   goal {goal.bound:7} {verdict}")
    return 0 if all(goal.is_met for goal in goals) else 1


def _print_rows(rows: Mapping[str, Mapping[str, float]]) -> None:
    width = max(map(len, rows), default=0)
    names: list[str] = []
    for name, row in rows.items():
        if list(row) != names:
            names = list(row)
            print(f"{'':{width}} " + " ".join(f"{column:>12}" for column in names))
        print(f"{name:{width}} " + " ".join(f"{value:12,.2f}" for value in row.values()))
