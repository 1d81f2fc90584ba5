"""Numbers of reports as people read them, on both sides of 0 and of each bound, and sentences on how a run was made."""

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.report.conventions import describe, describe_costs, describe_fees, describe_slippage
from kaboom.backtest.report.text import (
    DASH,
    Words,
    list_parameters,
    local,
    metric,
    month,
    number,
    percent,
    short_parameters,
    signed,
    signed_percent,
    tint,
    warn,
    way,
)
from kaboom.backtest.summary import RunSummary

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234.5, 0, "1,234"),
        (1234.56, 1, "1,234.6"),
        (-1234.5, 1, "\N{MINUS SIGN}1,234.5"),
        (-0.004, 2, "0.00"),
        (-0.006, 2, "\N{MINUS SIGN}0.01"),
        (0, 0, "0"),
        (None, 0, DASH),
        (NAN, 0, DASH),
        (INF, 0, DASH),
    ],
)
def test_a_number_has_separators_and_a_sign_only_if_it_is_not_0(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_a_share_is_a_percentage() -> None:
    assert [percent(each) for each in (0.1234, -0.1234, 12.5, None, NAN)] == [
        "12.3%",
        "\N{MINUS SIGN}12.3%",
        "1,250.0%",
        DASH,
        DASH,
    ]
    assert percent(0.12346, 2) == "12.35%"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("total_return", "150.0%"),
        ("cagr", "150.0%"),
        ("volatility", "150.0%"),
        ("max_drawdown", "150.0%"),
        ("hit_rate", "150.0%"),
        ("exposure", "150.0%"),
        ("benchmark_return", "150.0%"),
        ("final_equity", "2"),
        ("trades", "2"),
        ("fees", "2"),
        ("flows", "2"),
        ("longest_below_peak", "2"),
        ("sharpe", "1.50"),
        ("turnover", "1.50"),
    ],
)
def test_a_metric_has_the_form_of_its_name(name: str, text: str) -> None:
    assert metric(name, 1.5) == text
    assert metric(name, None) == DASH


def test_gains_and_losses_have_a_sign() -> None:
    assert [signed_percent(each) for each in (0.1234, -0.1234, 0.0, None)] == [
        "+12.3%",
        "\N{MINUS SIGN}12.3%",
        "+0.0%",
        DASH,
    ]
    assert [signed(each) for each in (1234.0, -1234.0, None)] == ["+1,234", "\N{MINUS SIGN}1,234", DASH]
    assert signed(-0.5, 2) == "\N{MINUS SIGN}0.50"
    assert [way(each) for each in (0.1, -0.1, 0.0, None)] == ["up", "down", "", ""]


@pytest.mark.parametrize(
    ("value", "text", "month_tint", "year_tint"),
    [
        (None, "", "", ""),
        (0.0004, "0.0", "", ""),
        (-0.0004, "0.0", "", ""),
        (0.0006, "+0.1", "u1", ""),
        (-0.0006, "\N{MINUS SIGN}0.1", "d1", ""),
        (0.0016, "+0.2", "u1", "u1"),
        (0.015, "+1.5", "u2", "u1"),
        (-0.015, "\N{MINUS SIGN}1.5", "d2", "d1"),
        (0.035, "+3.5", "u3", "u1"),
        (-0.045, "\N{MINUS SIGN}4.5", "d3", "d2"),
        (0.104, "+10.4", "u3", "u2"),
        (0.106, "+10.6", "u3", "u3"),
    ],
)
def test_a_month_has_its_percentage_and_the_tint_of_its_size(
    value: float | None, text: str, month_tint: str, year_tint: str
) -> None:
    assert month(value) == text
    assert (tint(value), tint(value, is_year=True)) == (month_tint, year_tint)


def test_a_time_is_that_of_japan_and_of_a_daily_bar_its_day() -> None:
    assert local("2025-11-04T00:00:00Z") == "2025-11-04"
    assert local("2025-11-04T15:01:00Z") == "2025-11-05 00:01"
    assert local(None) == DASH


def test_parameters_are_named_without_those_that_are_not_set_and_in_titles_without_settings() -> None:
    given: dict[str, Any] = {"fast": 20, "rate": 0.5, "is_on": True, "weight": 0.1, "side": "both", "slow": None}
    given |= {"stop_loss": 0.1, "take_profit": 0.2, "list": [1, 2.0]}
    assert short_parameters("", given) == "20/0.5/true/1, 2"
    assert list_parameters("", given) == (
        "fast=20 rate=0.5 is_on=true weight=0.1 side=both stop_loss=0.1 take_profit=0.2 list=1, 2"
    )


def test_words_of_one_language_are_plain_and_of_both_are_marked() -> None:
    text = "Lots of {lot}; any volume is filled."
    assert Words(("en",)).say(text, lot="<1>") == "Lots of &lt;1&gt;; any volume is filled."
    both = Words(("en", "ja"))
    said = both.say(text, lot=7)
    assert said.startswith(
        '<tspan class="en" lang="en">Lots of 7; any volume is filled.</tspan><tspan class="ja" lang="ja">'
    )
    english, japanese = both.tell(text, lot=7).split(" / ")
    assert (english, "7" in japanese, japanese != english) == ("Lots of 7; any volume is filled.", True, True)


@pytest.mark.parametrize(
    ("fees", "text"),
    [
        ({"rate": 0.0005, "fixed": 10}, "A fill costs 0.050% of its value and 10 yen."),
        ({"rate": 0.001, "least": 50}, "A fill costs 0.100% of its value and 0 yen, from 50 to ∞ yen."),
        ({"rate": 0.001, "most": 990}, "A fill costs 0.100% of its value and 0 yen, from 0 to 990 yen."),
        ({"steps": [[100, 1], [200, 2]]}, "Fees are a table of 2 steps."),
    ],
)
def test_a_sentence_has_the_numbers_of_the_fees(fees: dict[str, Any], text: str) -> None:
    assert describe_fees(Fees.parse(fees))[0] == text


def test_a_sentence_has_the_numbers_of_the_slippage_and_the_costs_are_both() -> None:
    slip = "Slippage of market and stop orders: 0.100% of the price, ticks: 2, impact: 0.200%."
    assert describe_slippage(Slippage(rate=0.001, ticks=2, impact=0.002))[0] == slip
    model = {"fees": {"fixed": 10}, "slippage": {"rate": 0.001, "ticks": 2, "impact": 0.002}}
    english, japanese = describe_costs({"symbols": ["7203"], "model": model})
    assert english == f"A fill costs 0.000% of its value and 10 yen. {slip}"
    assert japanese != english


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {},
            "slippage of ticks costs nothing. SPY: no daily price limits of the TSE.",
        ),
        (
            {"has_ticks": True, "has_limits": True},
            "The ticks of the TSE are applied to SPY too. The daily price limits of the TSE are applied to SPY too.",
        ),
    ],
)
def test_the_costs_say_which_rules_are_applied_to_a_foreign_symbol(model: dict[str, Any], said: str) -> None:
    english, japanese = describe_costs({"symbols": ["7203", "SPY"], "model": model})
    assert english.endswith(said)
    assert japanese.count("SPY") == 2
    assert describe_costs({"symbols": list("ABCDEF")})[0].count("A, B, C, D, E, \u2026:") == 2
    assert "TSE" not in describe_costs({"symbols": ["7203"]})[0]
    assert "TSE" not in describe_costs({"market": "TSE_PRIME"})[0]


def summary(model: dict[str, Any] | None = None, **values: Any) -> RunSummary:
    about = {"delisted": 1, "missing": 2, "symbols": 3, "listed_on": [], "first": date(2025, 1, 6)}
    about |= {"request": {"model": model or {}}, "is_real": True, "is_ruined": False}
    return cast("RunSummary", SimpleNamespace(**about | values))


def test_the_fill_model_is_said_as_it_was_set() -> None:
    usual = [english for english, _ in describe(summary())]
    assert usual[0] == "Lots of 100; at most 10% of a bar's volume is filled."
    assert usual[3:5] == [
        "Nothing is filled at a locked daily price limit.",
        "Short positions are not allowed: a sale closes what is held at most.",
    ]
    other = FillModel(lot=1, volume_cap=0.0, has_limits=False, allows_short=True, borrow_rate=0.0115).to_json()
    said = [english for english, _ in describe(summary(other))]
    assert said[0] == "Lots of 1; any volume is filled."
    assert said[3] == "Short positions cost 1.15% a year."
    assert "Nothing is filled at a locked daily price limit." not in said


def test_the_symbols_are_those_of_the_caller_or_of_lists() -> None:
    chosen = [english for english, _ in describe(summary())]
    assert chosen[5] == (
        "The caller chose the symbols (3), with their survivorship bias; delisted since: 1, without bars: 2."
    )
    days = [date(2025, 1, 6), date(2025, 3, 3)]
    listed = [english for english, _ in describe(summary(listed_on=days))]
    said = "Symbols are those of the lists of 2025-01-06, 2025-03-03; delisted since: 1, without bars: 2."
    assert listed[5] == said
    assert not any("survivorship" in each for each in listed)
    late = [english for english, _ in describe(summary(listed_on=days, first=date(2025, 1, 5)))]
    assert late[6].startswith("No list of the first day is held: symbols that left before 2025-01-06 are missing")


def test_a_reader_is_warned_of_generated_bars_and_of_a_ruin() -> None:
    assert len(warn(summary())) == 1
    made_up = [english for english, _ in warn(summary(is_real=False))]
    assert made_up[0].startswith("Made with generated bars")
    ruined = [english for english, _ in warn(summary(is_ruined=True))]
    assert ruined[0] == "Short positions lost more than there was: the run ended there."
    assert made_up[-1] == ruined[-1]
