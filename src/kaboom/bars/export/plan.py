"""Planning an export: its files, and the bars in each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

import polars as pl

from kaboom.bars.export.formats import Format
from kaboom.bars.many import Wanted
from kaboom.bars.store import BarReader
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import utc_midnight

_BY_SUFFIX = {".parquet": Format.PARQUET, ".csv": Format.CSV, ".arrow": Format.ARROW, ".feather": Format.ARROW}


class Prices(StrEnum):
    """Which prices an export has; the value follows the interval in the name of the folder."""

    RAW = ""
    ADJUSTED = "-adjusted"
    TOTAL_RETURN = "-total-return"


@dataclass(frozen=True, slots=True)
class Selection:
    """Bars of one series from session `first` to `last` inclusive; of all symbols if none is named."""

    series: BarSeries
    first: date
    last: date
    symbols: tuple[str, ...] = ()
    prices: Prices = Prices.RAW

    @property
    def wanted(self) -> Wanted:
        """The selection as a span of time."""
        start, end = utc_midnight(self.first), utc_midnight(self.last + timedelta(days=1))
        return Wanted(self.series, start, end, self.symbols)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to write.

    Attributes:
        selection: from the first to the last session that it holds.
        bars: the number of bars when it was planned.
        replaces: older files of the same bars, which are removed once it is in place.

    """

    path: Path
    form: Format
    selection: Selection
    bars: int
    replaces: tuple[Path, ...] = ()


async def plan_file(store: BarReader, selection: Selection, path: Path) -> list[PlannedFile]:
    """Plan one file, whose suffix gives the format: Parquet, CSV or Arrow; no file if there are no bars.

    Raises:
        InvalidRequest: the suffix is unknown, or `first` is after `last`.

    """
    form = _BY_SUFFIX.get(path.suffix.lower())
    if form is None:
        raise InvalidRequest(f"the file was {path.name[-40:]!r}, expected a suffix of {', '.join(_BY_SUFFIX)}")
    found = await _find_spans(store, selection)
    if not found:
        return []
    held = replace(selection, first=found[0][0].first, last=found[-1][0].last)
    return [PlannedFile(path, form, held, sum(bars for _, bars in found))]


async def plan_folder(store: BarReader, selection: Selection, folder: Path, form: Format) -> list[PlannedFile]:
    """Plan a file for each month, `<provider>/<interval>/<YYYY-MM>.<format>`, or of daily bars for each year.

    Adjusted bars go to `<interval>-adjusted` or `<interval>-total-return`, so that they never replace raw ones. The
    file of a year replaces those of the months in it, which earlier releases wrote.

    Raises:
        InvalidRequest: `first` is after `last`.

    """
    below = folder / selection.series.source / f"{selection.series.interval}{selection.prices}"
    planned = []
    for held, bars in await _find_spans(store, selection):
        name = f"{held.first:%Y-%m}" if selection.series.interval.is_intraday else f"{held.first:%Y}"
        older = await asyncio.to_thread(_find_months, below, f"{name}-??.{form}", held)
        planned.append(PlannedFile(below / f"{name}.{form}", form, held, bars, older))
    return planned


def _find_months(folder: Path, pattern: str, held: Selection) -> tuple[Path, ...]:
    """Return the files of the months from the first to the last session; others hold bars that the year lacks."""
    first, last = f"{held.first:%Y-%m}", f"{held.last:%Y-%m}"
    return tuple(path for path in folder.glob(pattern) if first <= path.stem <= last)


def newest_files(planned: Sequence[PlannedFile], months: int) -> list[PlannedFile]:
    """Return the files that hold bars of the newest months, counted back from the newest bar."""
    if not planned:
        return []
    newest = max(file.selection.last for file in planned)
    year, month = divmod(newest.year * 12 + newest.month - months, 12)
    return [file for file in planned if file.selection.last >= date(max(year, 1), month + 1, 1)]


async def _find_spans(store: BarReader, selection: Selection) -> list[tuple[Selection, int]]:
    """Return the months (years of daily bars) of a selection that have bars, with the number of bars."""
    if selection.first > selection.last:
        raise InvalidRequest(f"first was {selection.first} and last {selection.last}, expected them in order")
    found, length = [], "1mo" if selection.series.interval.is_intraday else "1y"
    # Asked by year: most years and months hold nothing, and a server answers each call with a round trip.
    for year in range(selection.first.year, selection.last.year + 1):
        first, last = max(selection.first, date(year, 1, 1)), min(selection.last, date(year, 12, 31))
        held = await store.coverage(selection.series, first=first, last=last)
        if selection.symbols:
            held = held.filter(pl.col("symbol").is_in(selection.symbols))
        spans = held.group_by(pl.col("session").dt.truncate(length).alias("start")).agg(
            pl.col("session").min().alias("first"), pl.col("session").max().alias("last"), pl.col("bars").sum()
        )
        for _, first, last, bars in spans.sort("start").rows():
            found.append((replace(selection, first=first, last=last), bars))
    return found
