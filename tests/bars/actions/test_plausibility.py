"""Which corporate actions the stored bars speak against."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from kaboom.bars.actions.detect import find_doubt
from kaboom.market.action import CorporateAction

EX = date(2025, 11, 4)


def days(*rows: tuple[int, float, float]) -> pl.DataFrame:
    """Return daily bars of November: day of the month, open, close."""
    bars = [(datetime(2025, 11, day, tzinfo=UTC), opened, close) for day, opened, close in rows]
    prices = pl.DataFrame(bars, ["opened_at", "open", "close"], orient="row")
    return prices.cast({"opened_at": pl.Datetime("us", "UTC"), "open": pl.Float64, "close": pl.Float64})


#: Newest first, as no store promises an order; the ex-session opens at half the close before.
HALVED = days((6, 700.0, 710.0), (5, 600.0, 610.0), (4, 500.0, 510.0), (3, 980.0, 1_000.0), (2, 2_000.0, 1_950.0))


def doubt(factor: float, bars: pl.DataFrame = HALVED) -> str | None:
    return find_doubt(CorporateAction("7203", EX, factor), bars)


def test_a_factor_is_held_against_the_close_before_and_the_open_of_its_session() -> None:
    assert doubt(0.5) is None
    assert doubt(0.2) == (
        "the open was 500 yen on 2025-11-04 after a close of 1,000 yen on 2025-11-03, expected about 200 yen with this"
        " factor; add --force to keep it"
    )


def test_without_a_bar_of_its_session_the_next_open_counts() -> None:
    assert doubt(0.5, days((3, 980.0, 1_000.0), (6, 500.0, 510.0))) is None
    found = doubt(0.5, days((3, 980.0, 1_000.0), (6, 990.0, 510.0)))
    assert found
    assert found.startswith("the open was 990 yen on 2025-11-06")


@pytest.mark.parametrize(
    ("factor", "opens"),
    # Half of the way from 1,000 to 500, in logarithms, is 707; as far below 500 is 354. 3 % is a usual move.
    [
        (0.5, {350: True, 360: False, 500: False, 700: False, 715: True}),
        (0.999, {966: True, 1_010: False, 1_035: True}),
    ],
)
def test_an_open_must_be_nearer_to_the_factor_than_to_none_or_within_a_usual_move(
    factor: float, opens: dict[int, bool]
) -> None:
    for opened, is_doubtful in opens.items():
        found = doubt(factor, days((3, 980.0, 1_000.0), (4, float(opened), 500.0)))
        assert (found is not None) == is_doubtful, opened


@pytest.mark.parametrize("bars", [days(), days((4, 500.0, 510.0)), days((3, 980.0, 1_000.0))])
def test_without_bars_on_both_sides_nothing_speaks_against_a_factor(bars: pl.DataFrame) -> None:
    assert doubt(0.01, bars) is None


def test_a_dividend_of_more_than_a_fifth_of_the_close_before_is_doubtful() -> None:
    assert find_doubt(CorporateAction("7203", EX, amount=200.0), HALVED) is None
    assert find_doubt(CorporateAction("7203", EX, amount=200.5), HALVED) == (
        "the dividend was 200.5 yen, beside a close of 1,000 yen on 2025-11-03; add --force to keep it"
    )
