"""Years of eras and of two digits are read where they are certain, and refused with the reason elsewhere."""

import asyncio
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kaboom.market.interval import Interval
from kaboom.providers.base import BarRequest
from kaboom.providers.file.check import describe_files
from kaboom.providers.file.provider import FileProvider, FileRules
from kaboom.providers.file.recognise.dates import OUT_OF_ERA, TWO_DIGITS, UNREADABLE, read_times
from kaboom.providers.file.rules import DateOrder
from kaboom.providers.file.times import TimeRules

HEADS = {"ja": "日付,始値,高値,安値,終値,出来高", "en": "Date,Open,High,Low,Close,Volume"}


def read(text: str, short: str | None = None) -> tuple[str | None, str | None]:
    """Return the wall clock of a text, and its fault."""
    [(wall, fault)] = read_times(pl.Series([text]), short).select("wall", "fault").rows()
    return (None if wall is None or fault else str(wall)), fault


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("R6/5/1", "2024-05-01 00:00:00"),
        ("r6-05-01", "2024-05-01 00:00:00"),
        ("令和6年5月1日", "2024-05-01 00:00:00"),
        ("令和元年5月1日", "2019-05-01 00:00:00"),
        ("㋿6年5月1日", "2024-05-01 00:00:00"),
        ("平成31年4月30日", "2019-04-30 00:00:00"),
        ("H1.1.8", "1989-01-08 00:00:00"),
        ("S64/1/7", "1989-01-07 00:00:00"),
        ("令和6年5月1日 9:05", "2024-05-01 09:05:00"),
        ("2024年5月1日", "2024-05-01 00:00:00"),
        ("２０２４/０５/０１", "2024-05-01 00:00:00"),  # noqa: RUF001  full-width digits, as some forms ask for
        ("Sep 5, 2024", "2024-09-05 00:00:00"),
        ("September 5, 2024", "2024-09-05 00:00:00"),
        ("20240905.0", "2024-09-05 00:00:00"),
        ("202409050931", "2024-09-05 09:31:00"),
        ("2024/9/5(木) 午後1:05", "2024-09-05 13:05:00"),
        ("令和6年9月5日(木)", "2024-09-05 00:00:00"),
    ],
)
def test_an_era_says_the_year(text: str, wall: str) -> None:
    assert read(text) == (wall, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("H31/5/1", OUT_OF_ERA),
        ("R1/4/30", OUT_OF_ERA),
        ("S64/1/8", OUT_OF_ERA),
        ("R6/13/1", UNREADABLE),
        ("R6/2/30", UNREADABLE),
        ("113/05/01", UNREADABLE),  # Taiwan's calendar
        ("24/05/01", TWO_DIGITS),
        ("24-5-1", TWO_DIGITS),
        ("24年5月1日", TWO_DIGITS),  # 2024 or Heisei 24
        ("6年5月1日", TWO_DIGITS),
        ("240501", TWO_DIGITS),
    ],
)
def test_an_uncertain_year_is_refused(text: str, fault: str) -> None:
    assert read(text) == (None, fault)


@pytest.mark.parametrize(
    ("text", "order", "wall"),
    [
        ("24/05/01", "ymd", "2024-05-01 00:00:00"),
        ("99-12-30 09:00", "ymd", "1999-12-30 09:00:00"),
        ("01.05.24", "dmy", "2024-05-01 00:00:00"),
        ("5/1/24", "mdy", "2024-05-01 00:00:00"),
        ("05-Nov-24", "dmy", "2024-11-05 00:00:00"),
        ("5-Nov-24 09:00", "mdy", "2024-11-05 09:00:00"),
        ("05-Nov-24", "ymd", None),
        ("6/5/1", "ymd", None),
        ("24/5/1", "dmy", None),
        ("24/13/01", "ymd", None),
    ],
)
def test_an_order_says_which_two_digits_are_the_year(text: str, order: str, wall: str | None) -> None:
    assert read(text, order)[0] == wall


@pytest.mark.parametrize(
    ("head", "days", "order", "read_days"),
    [
        ("ja", ("24/11/05", "24/11/06"), None, (date(2024, 11, 5), date(2024, 11, 6))),
        ("en", ("24/11/05", "24/11/06"), None, ()),
        ("en", ("24/11/05", "24/11/06"), "ymd", (date(2024, 11, 5), date(2024, 11, 6))),
        ("en", ("11/05/24", "11/06/24"), "mdy", (date(2024, 11, 5), date(2024, 11, 6))),
        # Of Heisei 24: the 3rd of November 2012 was no Sunday, that of 2024 is one.
        ("ja", ("24/11/02", "24/11/03"), None, ()),
        ("ja", ("24/11/02", "24/11/03"), "ymd", (date(2024, 11, 2), date(2024, 11, 3))),
    ],
)
def test_two_digits_below_a_japanese_header_begin_with_the_year(
    tmp_path: Path, head: str, days: tuple[str, ...], order: DateOrder | None, read_days: tuple[date, ...]
) -> None:
    rows = [HEADS[head], *(f"{day},1,2,1,2,100" for day in days)]
    (tmp_path / "7203.csv").write_text("\n".join(rows))
    provider = FileProvider(tmp_path, FileRules(TimeRules(order=order)))
    wanted = tuple(date(year, 11, day) for year in (2002, 2003, 2005, 2006, 2024) for day in (2, 3, 5, 6, 24))
    fetched = asyncio.run(provider.fetch_bars(BarRequest(("7203",), Interval.D1, wanted)))
    assert tuple(fetched.bars["opened_at"].dt.date()) == read_days
    [found] = describe_files(provider)
    assert bool(found["refusals"]) == (not read_days)
