"""The page of benchmarks is of the results that are kept, and says what a reader must know of each.

`python -m benchmarks.rig.page` writes it.
"""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.rig.page import PAGE, draw, make_files
from benchmarks.rig.results import Goal, Result, keep_if_recording, read_results
from tests.fixtures.repo.repository import ROOT

_FILES = make_files(read_results())
_RESULT = Result(
    command="python benchmarks/submit.py",
    date="2026-12-03",
    commit="0123abcd",
    machine="2 cores of X",
    versions={"polars": "1.0"},
    cores=2,
    load=0.1,
    rows={"ours": {"ms": 1.5}, "the peer": {"ms": 3.0}},
    goals=[Goal("times the peer's", 0.5, most=0.7)],
)


@pytest.mark.parametrize("path", _FILES)
def test_a_file_of_the_page_is_of_the_kept_results(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == _FILES[path], "run: python -m benchmarks.rig.page"


def test_a_section_says_peer_limit_machine_versions_date_and_command() -> None:
    page = make_files({"submit": _RESULT})[PAGE]
    assert "`python benchmarks/submit.py` · 2026-12-03 · commit `0123abcd` · load 0.1 before it" in page
    assert "2 cores of X, polars 1.0" in page
    assert "| the peer | 3 |" in page
    assert "| times the peer's | 0.5 | ≤ 0.7 | met |" in page
    assert "![How much of each goal was needed](../images/benchmarks/submit.svg)" in page


def test_a_run_on_a_busy_machine_says_so() -> None:
    busy = replace(_RESULT, load=3.0, command="python benchmarks/submit.py --quick")
    assert "quick, on a busy machine" in make_files({"submit": busy})[PAGE]
    assert "busy" not in make_files({"submit": _RESULT})[PAGE]


@pytest.mark.parametrize(
    ("goal", "width", "color"),
    [
        (Goal("half of what is allowed", 1, most=2), 110, "#2f6f9f"),
        (Goal("twice what is asked", 8, least=4), 110, "#2f6f9f"),
        (Goal("missed", 3, most=2), 330, "#c0392b"),
        (Goal("far off", 100, most=2), 330, "#c0392b"),
        (Goal("none allowed", 0, most=0), 1, "#2f6f9f"),
    ],
    ids=lambda value: value.name if isinstance(value, Goal) else "",
)
def test_a_bar_is_as_long_as_the_share_of_the_goal(goal: Goal, width: float, color: str) -> None:
    bar = ET.fromstring(draw([goal])).findall("{*}rect")[1].attrib
    assert (float(bar["width"]), bar["fill"]) == (width, color)


def test_a_result_is_kept_only_when_recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.rig.results.FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmarks/submit.py", "--quick"])
    monkeypatch.delenv("KABOOM_RECORD", raising=False)
    keep_if_recording(_RESULT.rows, _RESULT.goals)
    assert not read_results(tmp_path)
    monkeypatch.setenv("KABOOM_RECORD", "1")
    keep_if_recording(_RESULT.rows, _RESULT.goals)
    kept = read_results(tmp_path)["submit"]
    assert (kept.command, kept.rows, kept.goals) == ("python benchmarks/submit.py --quick", _RESULT.rows, _RESULT.goals)
