"""Importing the Japan Exchange Group's list of issues (`data_j.xls`) as a snapshot."""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import dropwhile
from pathlib import Path
from typing import Any

from kaboom.drivers.child_process.workbook import NotAWorkbook, WorkbookLimits, WorkbookTooLarge
from kaboom.drivers.child_process.workbook import read_rows as read_sheet
from kaboom.drivers.csv_text import decode_csv
from kaboom.errors import InvalidRequest
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.master import MOST_LOST_PERCENT, MasterReport, take_master
from kaboom.market.lists.snapshot import Snapshot
from kaboom.market.symbol import parse_symbol

_DATE, _CODE, _NAME, _SEGMENT, _SECTOR, _SCALE = (
    "日付",
    "コード",
    "銘柄名",
    "市場・商品区分",
    "33業種区分",
    "規模区分",
)
_COLUMNS = (_DATE, _CODE, _NAME, _SEGMENT, _SECTOR, _SCALE)
# The text before the bracket. All others (ETF, REIT, PRO Market, investment securities) are left out.
_MARKETS = {
    "プライム": Market.TSE_PRIME,
    "スタンダード": Market.TSE_STANDARD,
    "グロース": Market.TSE_GROWTH,
}
FOREIGN = "外国株式"
_DATE_FORM = re.compile(r"(\d{4})(?:(\d\d)(\d\d)|[/-](\d{1,2})[/-](\d{1,2}))")
# JPX's list has about 900 kB.
_MAX_BYTES = 20_000_000

Row = Mapping[str, Any]
#: JPX's list has 4,400 rows of 10 columns, and 4 MB unpacked.
MOST_ROWS, MOST_COLUMNS = 50_000, 100
_LIMITS = WorkbookLimits(MOST_ROWS, MOST_COLUMNS, unpacked_bytes=200_000_000)


def import_listings(file: Path, into: Path, *, most_lost_percent: float = MOST_LOST_PERCENT) -> MasterReport:
    """Import JPX's list of issues (.xls, .xlsx, or CSV in UTF-8 or CP932) as a snapshot under `into`.

    Raises:
        InvalidRequest: the file is not JPX's list of issues.
        Conflict: the list seems to be incomplete; see `take_master`.

    """
    snapshot = parse_listings(read_rows(file), source=f"JPX list of issues, imported from {file.name}")
    return take_master(snapshot, into, most_lost_percent=most_lost_percent)


def read_rows(file: Path) -> list[Row]:
    """Return the rows of JPX's list as mappings from its Japanese column names to cells.

    Raises:
        InvalidRequest: the file is missing, too large, unreadable, or has other columns.

    """
    if not file.is_file():
        raise InvalidRequest(f"{file.name} is not a file, expected JPX's list of issues")
    if (size := file.stat().st_size) > _MAX_BYTES:
        raise InvalidRequest(f"{file.name} has {size} bytes, expected at most {_MAX_BYTES}")
    try:
        table = _read_csv(file) if file.suffix.lower() == ".csv" else read_workbook(file)
    except OSError as e:
        raise InvalidRequest(f"{file.name} could not be read: {e.strerror or type(e).__name__}") from e
    head, *body = table or [[]]
    names = [_text(cell) for cell in head]
    if missing := [column for column in _COLUMNS if column not in names]:
        raise InvalidRequest(f"{file.name} lacks the columns {missing}, expected JPX's list of issues (data_j.xls)")
    return [dict(zip(names, cells, strict=False)) for cells in body if any(_text(cell) for cell in cells)]


def parse_listings(rows: Iterable[Row], *, source: str) -> Snapshot:
    """Return the ordinary shares of Prime, Standard and Growth in rows of JPX's list, as one dated snapshot.

    Raises:
        InvalidRequest: a code or date is malformed, a code is repeated, dates differ, or there are no shares.

    """
    listings: dict[str, Listing] = {}
    dates: set[date] = set()
    for row in rows:
        dates.add(_parse_date(row[_DATE]))
        listing = _parse_listing(row)
        if listing is None:
            continue
        if listing.symbol in listings:
            raise InvalidRequest(f"code {listing.symbol} was repeated, expected each once")
        listings[listing.symbol] = listing
    if len(dates) != 1 or not listings:
        raise InvalidRequest(
            f"the list had {len(listings)} shares under {len(dates)} dates, expected shares under one date"
        )
    return Snapshot(dates.pop(), source, tuple(listings[symbol] for symbol in sorted(listings)))


def _parse_listing(row: Row) -> Listing | None:
    segment = _text(row[_SEGMENT]).partition("(")[0]
    market = _MARKETS.get(segment)
    symbol = parse_symbol(_text(row[_CODE])) if market else ""
    if market is None or len(symbol) != len("7203"):  # a fifth character means preferred shares
        return None
    sector, scale = (_text(row[column]).replace("-", "") for column in (_SECTOR, _SCALE))
    return Listing(symbol, _text(row[_NAME]), market, sector, scale)


def _read_csv(file: Path) -> list[list[Any]]:
    try:
        rows = csv.reader(io.StringIO(decode_csv(file.read_bytes()), newline=""))
        table = list(itertools.islice(rows, MOST_ROWS + 1))
    except (UnicodeDecodeError, csv.Error) as e:
        raise InvalidRequest(f"{file.name} is neither UTF-8 nor CP932 text, expected a CSV of JPX's list") from e
    if len(table) > MOST_ROWS:
        raise InvalidRequest(f"{file.name} has more than {MOST_ROWS:,} lines, expected JPX's list of issues")
    return table


def _parse_date(cell: Any) -> date:
    text = _text(cell)
    match = _DATE_FORM.fullmatch(text)
    year, month, day = (int(part) for part in match.groups() if part) if match else (0, 0, 0)
    try:
        return date(year, month, day)
    except ValueError as e:
        raise InvalidRequest(f"{_DATE} was {text[:20]!r}, expected a date such as 20240329") from e


def _text(cell: Any) -> str:
    # Excel has only floats: the code 7203 arrives as 7203.0.
    whole = int(cell) if isinstance(cell, float) and cell.is_integer() else cell
    return unicodedata.normalize("NFKC", str(whole)).strip()


def read_workbook(file: Path) -> list[list[Any]]:
    """Return the rows of a workbook's first sheet: texts, numbers, and dates as `YYYY-MM-DD`.

    Raises:
        InvalidRequest: the file is not a workbook, or is too large for a list of issues.

    """
    try:
        rows = read_sheet(file, _LIMITS)
    except NotAWorkbook as e:
        raise InvalidRequest(f"{file.name} is not a workbook ({e}), expected .xls, .xlsx or .csv") from e
    except WorkbookTooLarge as e:
        if str(e):
            most = f"{_LIMITS.unpacked_bytes:,}"
            raise InvalidRequest(f"{file.name} has {e} bytes unpacked, expected at most {most}") from e
        raise InvalidRequest(
            f"{file.name} could not be read with {_LIMITS.memory_bytes >> 20:,} MiB of memory in {_LIMITS.seconds} s,"
            f" or has more than {MOST_ROWS:,} rows of {MOST_COLUMNS} columns: expected JPX's list of issues"
            " (data_j.xls)"
        ) from e
    return list(dropwhile(lambda row: not any(cell != "" for cell in row), rows))
