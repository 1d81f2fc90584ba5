"""`kaboom backtest` without a server: strategies of your own, the check for looking ahead, and the list."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from kaboom.backtest.model import FillModel
from kaboom.backtest.request import BacktestRequest, SweepRequest
from kaboom.bars.pages.store import PageBarStore
from kaboom.cli.exits import Exit
from kaboom.drivers.clock import utc_now
from kaboom.drivers.request import Request
from kaboom.errors import InvalidRequest
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.cli import Kaboom

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
    assert (honest.code, "decisions changed when later bars were taken away" in honest.out) == (Exit.OK, True)
    assert ("7203" not in honest.out, "2025-11-05" in honest.out) == (True, bool(bars))
    assert ("bars of 1 symbol, " in honest.out) == bool(bars)
    counted: Any = held("backtest", "check", "honest.py", *bars, "--json").json
    assert (counted["looks_ahead"], counted["decisions"] > 200, counted["cuts"] > 20) == (False, True, True)


@pytest.mark.parametrize("asked", [("--from", "2025-01-06"), ("--interval", "1m")])
def test_days_or_minutes_without_a_symbol_are_refused_by_the_check(held: Kaboom, asked: tuple[str, ...]) -> None:
    done = held("backtest", "check", "honest.py", *asked)
    assert (done.code, "name the bars by --symbol or --market" in done.err) == (Exit.USAGE, True)


def test_the_default_costs_are_those_of_the_request_and_are_printed(held: Kaboom) -> None:
    scope = ("--symbol", "7203", "--to", "2025-11-05", "--sessions", "300")
    said = (
        "A fill costs 0.050% of its value and 0 yen. Slippage of market and stop orders: 0.000% of the price, ticks: 1"
    )
    assert said in " ".join(held("backtest", "run", "honest.py", *scope).out.split())
    given: Any = held("backtest", "run", "honest.py", *scope, "--json").json
    usual = FillModel().to_json()
    assert given["request"]["model"] == usual
    assert (usual["fees"]["rate"], usual["slippage"]["ticks"]) == (0.0005, 1)
    help_text = " ".join(held("backtest", "run", "--help").out.split())
    assert f"(default: {usual['fees']['rate']})" in help_text
    assert f"in ticks (default: {usual['slippage']['ticks']})" in help_text


def test_a_file_with_the_name_of_a_shipped_strategy_is_the_file(held: Kaboom, tmp_path: Path) -> None:
    (tmp_path / "breakout.py").write_text(
        HONEST.replace("    def targets", "    def __init__(self, high=1): ...\n\n    def targets")
    )
    scope = ("--symbol", "7203", "--to", "2025-11-05", "--sessions", "300", "--json")
    given: Any = held("backtest", "run", "breakout.py", *scope, "--param", "high=60").json
    same: Any = held("backtest", "run", "honest.py", *scope).json
    assert given["metrics"] == same["metrics"]


def test_a_file_takes_each_field_of_the_fill_model(held: Kaboom) -> None:
    scope = ("--symbol", "7203", "--to", "2025-11-05", "--sessions", "300", "--json")
    fields = ("lot=1", "volume_cap=0", "size_at=fill", "fees.fixed=100", "fees.least=55", "slippage.impact=0.1")
    options = [part for field in fields for part in ("--model", field)]
    given: Any = held("backtest", "run", "honest.py", *scope, *options, "--fee", "0.001").json
    model = given["request"]["model"]
    assert (model["lot"], model["volume_cap"], model["size_at"]) == (1, 0.0, "fill")
    assert model["fees"] == {"rate": 0.001, "fixed": 100.0, "least": 55.0, "steps": []}
    assert model["slippage"] == {"rate": 0.0, "ticks": 0, "impact": 0.1}
    steps: Any = held("backtest", "run", "honest.py", *scope, "--model", "fees.steps=[[100000,99],[500000,275]]").json
    assert steps["request"]["model"]["fees"]["steps"] == [[100000.0, 99.0], [500000.0, 275.0]]
    wrong = held("backtest", "run", "honest.py", *scope, "--model", "lots=1")
    assert (wrong.code, "/model/lots" in wrong.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(("line", "kind"), [("return None", "None"), ("return weights.tolist()", "a list")])
def test_a_file_that_returns_no_array_gets_a_sentence(held: Kaboom, tmp_path: Path, line: str, kind: str) -> None:
    (tmp_path / "wrong.py").write_text(HONEST.replace("return weights", line))
    done = held("backtest", "run", "wrong.py", "--symbol", "7203", "--to", "2025-11-05", "--sessions", "300")
    assert done.code == Exit.USAGE
    assert f"targets returned {kind}, expected a numpy array of numbers" in done.err


@pytest.mark.parametrize("asked", [("run", "--symbol", "7203", "--to", "2025-11-05", "--sessions", "300"), ("check",)])
def test_an_error_of_a_file_is_said_with_its_line(held: Kaboom, tmp_path: Path, asked: tuple[str, ...]) -> None:
    verb, *scope = asked
    (tmp_path / "wrong.py").write_text(HONEST.replace('panel.adjusted("close")', "panel.close"))
    done = held("backtest", verb, "wrong.py", *scope)
    assert (done.code, "Traceback" in done.err) == (Exit.JOB_FAILED, False)
    assert "strategy wrong failed: AttributeError: 'Panel' object has no attribute 'close'" in done.err
    japanese = held("--lang", "ja", "backtest", verb, "wrong.py", *scope)
    assert all("(wrong.py:6 in targets: close = panel.close)" in each.err for each in (done, japanese))
    (tmp_path / "broken.py").write_text(HONEST.replace("class", "nothing\nclass"))
    broken = held("backtest", verb, "broken.py", *scope)
    assert (broken.code, "(broken.py:4 in <module>: nothing)" in broken.err) == (Exit.USAGE, True)


@pytest.mark.parametrize("asked", [("run", "--symbol", "7203", "--to", "2025-11-05", "--sessions", "300"), ("check",)])
def test_a_file_that_ends_the_process_is_said_with_its_line(
    held: Kaboom, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    verb, *scope = asked
    (tmp_path / "ends.py").write_text(HONEST.replace("        close =", "        raise SystemExit(3)\n        close ="))
    ends = held("backtest", verb, "ends.py", *scope)
    said = "strategy ends failed: SystemExit: 3 (ends.py:6 in targets: raise SystemExit(3))"
    assert (ends.code, said in ends.err) == (Exit.JOB_FAILED, True), ends.err
    (tmp_path / "ended.py").write_text("import sys\nsys.exit(3)\n" + HONEST)
    ended = held("backtest", verb, "ended.py", *scope)
    said = "ended.py could not be loaded: SystemExit: 3 (ended.py:2 in <module>: sys.exit(3))"
    assert (ended.code, said in ended.err) == (Exit.USAGE, True), ended.err


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
    assert (silent.code, "decided nothing in 1,000 bars" in silent.err) == (Exit.USAGE, True)


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
    assert (early.code, "were held at 2025-11-06 00:00:00 JST" in early.err) == (Exit.USAGE, True)
    before = held("backtest", "run", "honest.py", "--symbol", "7203", "--from", "2019-01-07", "--to", "2019-06-28")
    assert before.code == Exit.USAGE
    found = re.search(r"those of 7203 are from .* `--from (\S+) --to (\S+)`", before.err.replace("\n", " "))
    assert found, before.err
    assert held("backtest", "run", "honest.py", "--symbol", "7203", "--from", found[1], "--to", found[2]).code == 0
    unclear = held("backtest", "run", "sma_cross", *scope, "--as-of", "2025-13")
    assert (unclear.code, "expected a day, or a time with its zone" in unclear.err) == (Exit.USAGE, True)
    assert held("backtest", "run", "honest.py", "--symbol", "1301").code == Exit.USAGE


def test_what_is_no_parameter_is_refused(kaboom: Kaboom) -> None:
    done = kaboom("backtest", "run", "sma_cross", "--symbol", "7203", "--param", "fast")
    assert (done.code, "NAME=VALUE" in done.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("fields", "supported"),
    [("    fast: int = 5\n", "stop_loss, take_profit, weight, fast"), ("", "stop_loss, take_profit, weight")],
)
def test_an_unknown_parameter_is_answered_with_the_known(
    kaboom: Kaboom, tmp_path: Path, fields: str, supported: str
) -> None:
    head = "from kaboom.backtest.strategies.settings import StrategySettings\n\n\nclass Strategy(StrategySettings):\n"
    (tmp_path / "mine.py").write_text(f"{head}{fields}    def targets(self, panel): ...\n")
    done = kaboom("backtest", "check", "mine.py", "--param", "fats=3")
    assert (done.code, done.err) == (Exit.USAGE, f"kaboom: parameter was 'fats', supported are {supported}\n")
    japanese = kaboom("--lang", "ja", "backtest", "check", "mine.py", "--param", "fats=3")
    assert japanese.err == f"kaboom: パラメーターが 'fats' です。使えるのは {supported} です\n"


@pytest.mark.parametrize(("kind", "value"), [(BacktestRequest, 3), (SweepRequest, [3, 5])])
def test_an_unknown_parameter_of_ours_is_answered_with_the_known(kind: type[Request], value: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        kind.parse({"strategy": "buy_and_hold", "symbols": ["7203"], "parameters": {"fats": value}})
    assert refused.value.message == "parameter was 'fats', supported are stop_loss, take_profit, weight"
    assert refused.value.pointer == "/parameters/fats"


def test_a_class_without_parameters_has_none(kaboom: Kaboom, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Strategy:\n    def targets(self, panel): ...\n")
    done = kaboom("backtest", "check", "mine.py", "--param", "fats=3")
    assert (done.code, done.err) == (Exit.USAGE, "kaboom: parameter was 'fats', supported are none\n")


def test_strategies_are_listed_with_their_parameters(kaboom: Kaboom) -> None:
    done = kaboom("backtest", "list", "strategies")
    assert "fast=10, slow=20" in done.out


def test_limits_of_a_backtest_are_reported(held: Kaboom, tmp_path: Path) -> None:
    both = HONEST.replace("import numpy as np", "import numpy as np\nfrom kaboom.backtest.strategies.settings import *")
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
