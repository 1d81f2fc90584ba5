"""Planning an export: its files, and the bars in each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from batch.bars.export.formats import Format
from batch.bars.store import BarReader
from batch.errors import InvalidRequest
from batch.market.bar import BarSeries

_BY_SUFFIX = {".parquet": Format.PARQUET, ".csv": Format.CSV, ".arrow": Format.ARROW, ".feather": Format.ARROW}


@dataclass(frozen=True, slots=True)
class Selection:
    """Bars of one series from session `first` to `last` inclusive; of all symbols if none is named."""

    series: BarSeries
    first: date
    last: date
    symbols: tuple[str, ...] = ()
    is_adjusted: bool = False


@dataclass(frozen=True, slots=True)
class Month:
    """The bars of a selection in one month: their sessions, oldest first, and their number."""

    name: str
    sessions: tuple[date, ...]
    bars: int


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to write: its path, its format, and the months of a selection in it."""

    path: Path
    form: Format
    selection: Selection
    months: tuple[Month, ...]

    @property
    def bars(self) -> int:
        """The number of bars when it was planned."""
        return sum(month.bars for month in self.months)


async def plan_file(store: BarReader, selection: Selection, path: Path) -> list[PlannedFile]:
    """Plan one file, whose suffix tells the format: Parquet, CSV or Arrow; none if there are no bars.

    Raises:
        InvalidRequest: the suffix is unknown, or `first` is after `last`.

    """
    form = _BY_SUFFIX.get(path.suffix.lower())
    if form is None:
        raise InvalidRequest(f"the file was {path.name[-40:]!r}, expected a suffix of {', '.join(_BY_SUFFIX)}")
    months = await _find_months(store, selection)
    return [PlannedFile(path, form, selection, tuple(months))] if months else []


async def plan_folder(
    store: BarReader, selection: Selection, folder: Path, form: Format, *, newest: int | None = None
) -> list[PlannedFile]:
    """Plan a file for each month, `<provider>/<interval>/<YYYY-MM>.<format>`, or only for the `newest` months.

    Adjusted bars go to `<interval>-adjusted`, so that they never replace raw ones.

    Raises:
        InvalidRequest: `first` is after `last`.

    """
    months = await _find_months(store, selection)
    suffix = "-adjusted" if selection.is_adjusted else ""
    below = folder / selection.series.source / f"{selection.series.interval}{suffix}"
    chosen = months[-newest:] if newest else months
    return [PlannedFile(below / f"{month.name}.{form}", form, selection, (month,)) for month in chosen]


async def _find_months(store: BarReader, selection: Selection) -> list[Month]:
    if selection.first > selection.last:
        raise InvalidRequest(f"first was {selection.first} and last {selection.last}, expected them in order")
    months = []
    for first, last in _split_in_months(selection.first, selection.last):
        held = await store.coverage(selection.series, first=first, last=last)
        if selection.symbols:
            held = held.filter(pl.col("symbol").is_in(selection.symbols))
        if held.height:
            days = held["session"].unique().sort().to_list()
            months.append(Month(f"{first:%Y-%m}", tuple(days), int(held["bars"].sum())))
    return months


def _split_in_months(first: date, last: date) -> Iterator[tuple[date, date]]:
    while first <= last:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield first, min(last, following - timedelta(days=1))
        first = following
