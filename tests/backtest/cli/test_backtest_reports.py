"""`kaboom backtest report` and `compare` against a real API."""

from pathlib import Path
from typing import Any

import pytest
from orjson import loads

from kaboom.cli.exits import Exit
from tests.fixtures.cli import Kaboom
from tests.fixtures.servers.stacks import Api

RUN = ("backtest", "run", "sma_cross", "--symbol", "7203", "--sessions", "100", "--json", "--wait", "--out", "r.html")


@pytest.fixture(scope="module", autouse=True)
def bars(live: Api) -> None:
    """Take daily bars of a symbol."""
    assert live.wait(live.submit(intervals={"1d": 120}, symbols=["7203"]))["status"] == "completed"


def run(kaboom: Kaboom, fast: int) -> str:
    """Return the id of a run that has ended."""
    done = kaboom(*RUN, "--param", f"fast={fast}")
    assert done.code == 0, done.err
    newest: Any = loads(kaboom("jobs", "list", "--queue", "backtest", "--json").out)
    return str(newest["items"][0]["job_id"])


def test_runs_are_compared_and_reports_written(at_live: Kaboom, tmp_path: Path) -> None:
    one, two = run(at_live, 5), run(at_live, 9)
    done = at_live("backtest", "compare", one, two)
    assert done.code == 0, done.err
    assert "All runs saw the same bars" in done.out
    for text in (one[:8], two[:8], "Sharpe ratio", "parameters.fast", "total return"):
        assert text in done.out
    found: Any = loads(at_live("backtest", "compare", one, two, "--json").out)
    assert [each["parameters"]["fast"] for each in found["items"]] == [5, 9]
    assert at_live("backtest", "compare", one).code == Exit.USAGE
    assert at_live("backtest", "report", one, "--in", "ja").code == 0
    page = (tmp_path / f"backtest-{one[:8]}.html").read_text()
    assert 'id="ja" checked' in page
    report: Any = loads(at_live("backtest", "report", one, "--json").out)
    assert report["summary"]["parameters"]["fast"] == 5
    drawn = at_live("backtest", "report", two, "--png", "--out", "two.png")
    assert drawn.code == 0, drawn.err
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")
    missing = at_live("backtest", "report", "0" * 32)
    assert (missing.code, "does not exist" in missing.err) == (Exit.NOT_FOUND, True)
