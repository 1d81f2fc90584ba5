"""Files as tables of bars, parsed once for each state of a file and no further than asked."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock

import polars as pl

from batch.market.bar import RAW_BAR_SCHEMA
from batch.market.interval import Interval
from batch.providers.file.errors import refuse_file
from batch.providers.file.layout import PRICES, Layout, Role
from batch.providers.file.limits import FileLimits
from batch.providers.file.moments import parse_moments
from batch.providers.file.names import parse_symbols, symbol_of_path
from batch.providers.file.numbers import parse_numbers
from batch.providers.file.reading import read_columns, read_layout
from batch.providers.file.steps import find_interval

# Parsed rows of this many bytes are kept; what is known of a file is kept for ever, it is small.
_KEPT_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it is now."""

    path: Path
    modified_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file holds: no interval, symbols or sessions if it has no rows."""

    interval: Interval | None
    symbols: frozenset[str]
    sessions: frozenset[date]


class TableCache:
    """Reads files and remembers what it read, per path, modification time and size."""

    def __init__(self, time_zone: str, limits: FileLimits) -> None:
        self._time_zone = time_zone
        self._limits = limits
        # Parsing happens in threads; the lock keeps two of them from parsing the same file.
        self._lock = Lock()
        self._layouts: dict[SourceFile, Layout] = {}
        self._facts: dict[SourceFile, Facts] = {}
        self._rows: OrderedDict[SourceFile, pl.DataFrame] = OrderedDict()

    def layout(self, file: SourceFile) -> Layout:
        """Return a file's layout, from its header.

        Raises:
            ProviderError: the file cannot be parsed.

        """
        if file not in self._layouts:
            self._layouts[file] = read_layout(file.path, self._limits)
        return self._layouts[file]

    def facts(self, file: SourceFile) -> Facts:
        """Return what a file holds, from its symbols and times alone.

        Raises:
            ProviderError: the file cannot be parsed.

        """
        with self._lock:
            return self._find_facts(file)

    def rows(self, file: SourceFile) -> pl.DataFrame:
        """Return a file's rows in `RAW_BAR_SCHEMA`, and the `session` each lies in; also `factor`, where it has any.

        Raises:
            ProviderError: the file cannot be parsed.

        """
        with self._lock:
            if file not in self._rows:
                self._rows[file] = self._parse(file)
            self._rows.move_to_end(file)
            while len(self._rows) > 1 and sum(f.estimated_size() for f in self._rows.values()) > _KEPT_BYTES:
                self._rows.popitem(last=False)
            return self._rows[file]

    def _find_facts(self, file: SourceFile) -> Facts:
        if file not in self._facts:
            layout = self.layout(file)
            frame = read_columns(file.path, layout, (Role.SYMBOL, *layout.times), self._limits)
            rows = self._date(frame, layout, file.path)
            interval = find_interval(rows, file.path) if rows.height else None
            self._facts[file] = Facts(
                interval=interval,
                symbols=frozenset(rows["symbol"].unique()),
                sessions=frozenset(rows.select(_session(interval).unique()).to_series()),
            )
        return self._facts[file]

    def _parse(self, file: SourceFile) -> pl.DataFrame:
        facts, layout = self._find_facts(file), self.layout(file)
        roles = (Role.SYMBOL, *layout.times, *PRICES, Role.VOLUME, Role.FACTOR)
        frame = read_columns(file.path, layout, roles, self._limits)
        numeric = [role.value for role in (*PRICES, Role.VOLUME, Role.FACTOR) if role in layout.columns]
        frame = frame.with_columns(parse_numbers(frame[name], file.path) for name in numeric)
        rows = self._date(frame, layout, file.path)
        if Role.VOLUME not in layout.columns:
            # Indices and currencies have none: 0 is what exporters write that always have the column.
            rows = rows.with_columns(volume=pl.lit(0.0))
        session, is_daily = _session(facts.interval), facts.interval is Interval.D1
        stamp = session.cast(pl.Datetime("us")).dt.replace_time_zone("UTC") if is_daily else pl.col("utc")
        rows = rows.with_columns(session=session, opened_at=stamp)
        more = ["session", *(["factor"] if Role.FACTOR in layout.columns else [])]
        return rows.select(*(pl.col(name).cast(kind) for name, kind in RAW_BAR_SCHEMA.items()), *more)

    def _date(self, frame: pl.DataFrame, layout: Layout, path: Path) -> pl.DataFrame:
        # Add `utc`, `local` and the parsed symbol; drop lines that are empty, and no others
        moments = parse_moments(frame.select(role.value for role in layout.times), self._time_zone, path)
        if layout.has_symbols:
            symbols = parse_symbols(frame["symbol"], path)
        else:
            symbols = pl.Series([symbol_of_path(path)], dtype=pl.String()).new_from_index(0, frame.height)
        rows = frame.with_columns(moments["utc"], moments["local"], symbol=symbols)
        given = [c for c in frame.columns if layout.has_symbols or c != "symbol"]
        empty = frame.select(pl.all_horizontal(pl.col(given).is_null())).to_series()
        lost = (rows["utc"].is_null() | rows["symbol"].is_null()) & ~empty
        if lost.any():
            row = int(lost.arg_max() or 0)
            raise refuse_file(path, "expected a date and a symbol in every row, found none", line=row + 2)
        return rows.filter(~empty)


def _session(interval: Interval | None) -> pl.Expr:
    """Return the session of a row: the local day of a daily one, the UTC day of any other, as the stores have it."""
    return pl.col("local" if interval is Interval.D1 else "utc").dt.date()
