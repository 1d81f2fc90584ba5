"""The quality rules do not cry wolf over real prices."""

import csv
import gzip
from datetime import UTC, date, datetime
from importlib.resources import files

from kaboom.bars.quality.checks import check_bars
from kaboom.market.bar import BarFlag
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from tests.fixtures.bars.raw_bars import asking, raw_bar, raw_frame

# The 2-for-1 splits of these shares between 2000-03 and 2013-03; the prices are unadjusted.
SPLITS = {("AAPL", date(2000, 6, 21)), ("AAPL", date(2005, 2, 28)), ("MSFT", date(2003, 2, 18))}


def test_real_daily_bars_pass_and_only_three_splits_are_suspected() -> None:
    packed = (files("bokeh_sampledata") / "_data" / "stocks.csv.gz").read_bytes()
    rows = [
        raw_bar(
            row["Ticker"],
            datetime.fromisoformat(row["Date"]).replace(tzinfo=UTC),
            **{name: float(row[name.title()]) for name in ("open", "high", "low", "close", "volume")},
        )
        for row in csv.DictReader(gzip.decompress(packed).decode().splitlines())
    ]
    symbols, days = {row["symbol"] for row in rows}, {row["opened_at"].date() for row in rows}
    asked = asking(symbols, sorted(days), interval=Interval.D1, market=Market.FILE)
    checked = check_bars(raw_frame(rows), asked)
    assert checked.bars.height == len(rows) == 12_154
    assert checked.quarantined.height == 0
    suspects = checked.bars.filter(checked.bars["flags"] & BarFlag.SPLIT_SUSPECT.value != 0)
    found = zip(suspects["symbol"].to_list(), suspects["opened_at"].dt.date().to_list(), strict=True)
    assert set(found) == SPLITS
    assert dict(checked.flags) == {"split_suspect": 3, "spike": 1}
