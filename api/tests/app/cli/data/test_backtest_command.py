"""`kaboom backtest` without a server: strategies of your own, the check for looking ahead, and the list."""

import asyncio
from pathlib import Path

import pytest

from app.cli.exits import Exit
from batch.bars.pages.store import PageBarStore
from batch.kit.clock import utc_now
from tests.app.cli.conftest import Kaboom
from tests.fixtures.backtest.stored import SERIES, daily_bars

HONEST = """
import numpy as np

class Strategy:
    def targets(self, panel):
        close = panel.adjusted("close")
        weights = np.full(panel.shape, np.nan)
        weights[1:] = np.where(close[1:] > close[:-1], 0.3, 0.0)
        return weights
"""
AHEAD = HONEST.replace("weights[1:]", "weights[:-1]")


@pytest.fixture
def held(kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """A command line on a data folder with daily bars of three symbols, beside two strategies."""

    async def write() -> None:
        store = PageBarStore(tmp_path / "data" / "bars")
        await store.write(SERIES, daily_bars(480))
        await store.close()

    asyncio.run(write())
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "honest.py").write_text(HONEST)
    (tmp_path / "ahead.py").write_text(AHEAD)
    return kaboom


@pytest.mark.parametrize("bars", [(), ("--symbol", "7203", "--to", "2025-11-05", "--sessions", "300")])
def test_a_strategy_that_looks_ahead_is_found(held: Kaboom, bars: tuple[str, ...]) -> None:
    ahead = held("backtest", "check", "ahead.py", *bars)
    assert (ahead.code, "looks ahead" in ahead.err) == (Exit.JOB_FAILED, True)
    honest = held("backtest", "check", "honest.py", *bars)
    assert (honest.code, "no decision changed" in honest.out) == (Exit.OK, True)


def test_a_look_ahead_after_a_long_warm_up_is_found(held: Kaboom, tmp_path: Path) -> None:
    late = AHEAD.replace(
        "class Strategy:", "class Strategy:\n    def __init__(self, bars=2000):\n        self.bars = bars\n"
    )
    (tmp_path / "late.py").write_text(
        late.replace("        return", "        weights[: self.bars] = np.nan\n        return")
    )
    found = held("backtest", "check", "late.py", "--param", "bars=400")
    assert (found.code, "looks ahead" in found.err) == (Exit.JOB_FAILED, True)
    silent = held("backtest", "check", "late.py")
    assert (silent.code, "decided nothing in 1,000 bars of 3 symbols" in silent.err) == (Exit.USAGE, True)


def test_a_file_runs_here_and_leaves_a_report(held: Kaboom, tmp_path: Path) -> None:
    scope = ("--symbol", "7203", "--to", "2025-11-05", "--sessions", "300")
    done = held("backtest", "run", "honest.py", *scope, "--fee", "0.001", "--out", "r.html")
    assert done.code == 0, done.err
    assert "without a worker" in done.err
    assert "· 1 symbol · " in done.out.splitlines()[0]
    assert ", 300 sessions" in done.out.splitlines()[0]
    assert "generated, not market data" in done.out
    assert "Sharpe ratio" in done.out
    assert (tmp_path / "r.html").read_bytes().startswith(b"<!doctype html>")
    moment = utc_now().isoformat()
    one, two = [held("backtest", "run", "honest.py", *scope, "--as-of", moment, "--json").out for _ in range(2)]
    assert one == two
    early = held("backtest", "run", "honest.py", *scope, "--as-of", "2025-11-06")
    assert (early.code, "were held at 2025-11-05T15:00" in early.err) == (Exit.USAGE, True)
    unclear = held("backtest", "run", "sma_cross", *scope, "--as-of", "2025-13")
    assert (unclear.code, "expected a day, or a time with its zone" in unclear.err) == (Exit.USAGE, True)
    assert held("backtest", "run", "honest.py", "--symbol", "1301").code == Exit.USAGE


def test_what_is_no_parameter_is_refused(kaboom: Kaboom) -> None:
    done = kaboom("backtest", "run", "sma_cross", "--symbol", "7203", "--param", "fast")
    assert (done.code, "NAME=VALUE" in done.err) == (Exit.USAGE, True)


def test_strategies_are_listed_with_their_parameters(kaboom: Kaboom) -> None:
    done = kaboom("backtest", "list", "strategies")
    assert "fast=10, slow=20" in done.out


def test_limits_of_a_backtest_are_reported(held: Kaboom, tmp_path: Path) -> None:
    both = HONEST.replace("import numpy as np", "import numpy as np\nfrom batch.backtest.strategies.settings import *")
    both = both.replace("class Strategy:", 'class Strategy(StrategySettings):\n    side: Side = "both"\n')
    (tmp_path / "both.py").write_text(both)
    scope = ("--to", "2025-11-05", "--sessions", "300")
    done = held("backtest", "run", "both.py", "--symbol", "7203", "--symbol", "1301", *scope)
    assert "1 more symbol was asked for and has no bars" in done.out
    assert "only the long side was run" in done.out
    assert "survivorship" not in done.out
    short = held("backtest", "run", "both.py", "--symbol", "7203", "--short", *scope)
    assert ("only the long side" in short.out, "more symbol" in short.out) == (False, False)
    late = held("backtest", "run", "both.py", "--market", "TSE_PRIME", "--from", "2023-12-01", "--to", "2025-11-05")
    assert late.code == 0
    assert "symbols that left before 2024-03-29 are missing (survivorship bias)" in " ".join(late.out.split())
