"""The quality checks lose no row, for markets and faults of any shape."""

import itertools
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.bars.quality.checks import check_bars
from kaboom.bars.quality.hard_rules import REASONS
from kaboom.market.bar import BAR_SCHEMA
from kaboom.market.calendar import grid
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.rules import round_to_tick
from tests.fixtures.bars.raw_bars import SESSIONS, asking, raw_bar, raw_frame

SYMBOLS = ("7203", "285A")
VALUES = ("open", "high", "low", "close", "volume")
STRANGE = (None, float("nan"), float("inf"), -1.0, 0.0, 0.5, 100.0, 2000.0, 2001.0, 1e300)

numbers = st.sampled_from(STRANGE)
rows = st.builds(
    lambda symbol, second, values: (
        raw_bar(symbol, None if second is None else second) | dict(zip(VALUES, values, strict=True))
    ),
    st.sampled_from([*SYMBOLS, "9999", None]),
    st.one_of(
        st.none(),
        st.sampled_from([*grid(SESSIONS[0], Interval.M1)[:4], *grid(SESSIONS[1], Interval.M1)[-3:]]),
        st.integers(-(10**10), 10**11),
    ),
    st.one_of(
        st.sampled_from([(p, p + 1, p - 1, p, 100.0) for p in (2000.0, 2010.0, 2020.0)]),
        st.tuples(*[numbers] * 5),
    ),
)


def is_empty(row: dict[str, Any]) -> bool:
    return all(row[name] is None or np.isnan(row[name]) for name in VALUES)


def kept_twice(given_rows: list[dict[str, Any]], bars: pl.DataFrame) -> int:
    """Count the rows equal to a kept bar, less the bars themselves."""
    copies = Counter((row["symbol"], row["opened_at"], *(row[name] for name in VALUES)) for row in given_rows)
    return sum(copies[bar[:7]] - 1 for bar in bars.rows())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(rows, max_size=30),
    st.sampled_from(list(Interval)),
    st.sampled_from([Market.TSE_PRIME, Market.FILE]),
)
def test_every_row_ends_in_exactly_one_place(
    given_rows: list[dict[str, Any]], interval: Interval, market: Market
) -> None:
    checked = check_bars(raw_frame(given_rows), asking(SYMBOLS, interval=interval, market=market))
    bars, refused = checked.bars, checked.quarantined
    empty = sum(map(is_empty, given_rows))
    assert bars.height + refused.height + empty + kept_twice(given_rows, bars) == len(given_rows)
    assert bars.schema == BAR_SCHEMA
    assert bars.null_count().sum_horizontal().item() == 0
    assert bars.select("symbol", "opened_at").is_duplicated().sum() == 0
    assert bars.equals(bars.sort("symbol", "opened_at"))
    assert set(refused["reason"].to_list()) <= set(REASONS[1:])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(Interval)),
    st.integers(0, 2**32 - 1),
    st.floats(1.0, 400_000.0),
    st.booleans(),
)
def test_a_legal_market_never_meets_a_hard_fault(
    interval: Interval,
    seed: int,
    price: float,
    topix500: bool,  # noqa: FBT001  drawn
) -> None:
    rng = np.random.default_rng(seed)
    stamps = np.array([stamp for day in SESSIONS for stamp in grid(day, interval)])
    traded = stamps[rng.random(stamps.size) < 0.7]
    four = round_to_tick(price * (1 + rng.normal(0, 0.01, (traded.size, 4))), topix500)
    columns = {
        "symbol": ["7203"] * traded.size,
        "opened_at": [datetime.fromtimestamp(int(stamp), UTC) for stamp in traded],
        "open": four[:, 0],
        "high": four.max(axis=1),
        "low": four.min(axis=1),
        "close": four[:, 3],
        "volume": rng.integers(0, 10**9, traded.size) * 100.0,
    }
    frame = pl.DataFrame(columns, schema=raw_frame([]).schema)
    fine = frozenset(itertools.compress(["7203"], [topix500]))
    checked = check_bars(frame, asking(interval=interval, topix500=fine))
    assert checked.quarantined.height == 0
    assert checked.bars.height == traded.size
    assert "off_tick" not in checked.flags


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=20))
def test_checking_what_passed_changes_nothing(given_rows: list[dict[str, Any]]) -> None:
    once = check_bars(raw_frame(given_rows), asking(SYMBOLS))
    again = check_bars(once.bars.drop("flags").with_columns(pl.col("volume").cast(pl.Float64)), asking(SYMBOLS))
    assert again.quarantined.height == 0
    assert again.bars.drop("flags").equals(once.bars.drop("flags"))
