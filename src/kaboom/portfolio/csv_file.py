"""Entries as a CSV file that a spreadsheet opens without running a formula, and back."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from kaboom.drivers.printable import FORMULA_STARTS
from kaboom.errors import InvalidRequest
from kaboom.market.symbol import parse_symbol
from kaboom.portfolio.entry import (
    CASH_KINDS,
    Entry,
    EntryKind,
    Order,
    check_day,
    check_note,
    in_force,
    make_movement,
    make_trade,
)
from kaboom.portfolio.money import ZERO, format_yen, parse_yen

COLUMNS = ("day", "kind", "symbol", "quantity", "price", "fee", "amount", "note")
_GUARD = "'"
_KINDS = (EntryKind.BUY, EntryKind.SELL, *CASH_KINDS)
#: 2025-11-04 as Excel in Japan saves it.
_SLASHED = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})", re.ASCII)
#: 1,234,567.5; any other comma may be a decimal one.
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
#: The most faults that are reported for a file.
MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in a line of a file; lines are counted from 1."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """The entries of a file with the line of each by entry id; entries are not used if there is a fault.

    Attributes:
        broker: whose trade history it is; "" of a file of Kaboom's columns.
        left_out: the lines of a history that are no cash trades of shares, with the reasons.

    """

    entries: tuple[Entry, ...]
    lines: Mapping[str, int]
    faults: tuple[Fault, ...]
    broker: str = ""
    left_out: tuple[Fault, ...] = ()


def torn(line: int, cause: csv.Error) -> Fault:
    """Return the fault of a line at which the file stops being CSV."""
    return Fault(line, f"the line is no CSV: {cause}")


def format_csv(entries: Iterable[Entry]) -> str:
    """Return the entries in force as CSV, by day; reversed entries and their reversals are left out.

    A text that a spreadsheet would read as a formula gets an apostrophe before it, which `parse_csv` removes.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    rows.writerows([_guard(cell) for cell in _cells(entry)] for entry in in_force(list(entries)))
    return out.getvalue()


def parse_csv(text: str, new_id: Callable[[], str], *, today: date) -> Parsed:
    """Return the entries of a CSV file, or the faults in its lines, at most MOST_FAULTS.

    Raises:
        InvalidRequest: the file does not have the columns COLUMNS (in any order), or has no entry.

    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    entries, lines, faults = [], dict[str, int](), list[Fault]()
    try:
        names = [name.strip() for name in rows.fieldnames or ()]
        if sorted(names) != sorted(COLUMNS):
            found = ",".join(names)
            raise InvalidRequest(
                f"the header was {found[:100]!r}, expected {','.join(COLUMNS)}, or the columns of a trade history of "
                "SBI, Rakuten or Monex Securities",
                pointer="/csv",
            )
        rows.fieldnames = names
        for row in rows:
            try:
                entry = _parse(row, new_id(), today)
            except InvalidRequest as e:
                faults.append(Fault(rows.line_num, e.message))
                if len(faults) == MOST_FAULTS:
                    break
            else:
                entries.append(entry)
                lines[entry.entry_id] = rows.line_num
    except csv.Error as e:
        faults.append(torn(rows.reader.line_num, e))
    if not (entries or faults):
        raise InvalidRequest("the file had no entry, expected at least one line below its header", pointer="/csv")
    return Parsed(tuple(entries), lines, tuple(faults))


def _cells(entry: Entry) -> list[str]:
    is_trade = entry.kind.is_trade
    numbers = [
        str(entry.quantity) if is_trade else "",
        format_yen(entry.price) if is_trade else "",
        format_yen(entry.fee) if is_trade else "",
        "" if is_trade else format_yen(entry.amount),
    ]
    return [entry.day.isoformat(), entry.kind.value, entry.symbol, *numbers, entry.note]


def _guard(cell: str) -> str:
    # A text that begins with the guard gets another one, so that reading removes exactly what writing has added.
    return f"{_GUARD}{cell}" if cell.startswith((*FORMULA_STARTS, _GUARD)) else cell


def _parse(row: Mapping[str | None, str | list[str] | None], entry_id: str, today: date) -> Entry:
    cells = [row[name] for name in COLUMNS]
    if None in row or not all(isinstance(cell, str) for cell in cells):
        raise InvalidRequest(f"the line had another number of cells than the header, expected {len(COLUMNS)}")
    given = {name: str(cell).removeprefix(_GUARD) for name, cell in zip(COLUMNS, cells, strict=True)}
    note = check_note(given.pop("note"))
    texts = {name: cell.strip() for name, cell in given.items()}
    day = parse_day(texts["day"], today)
    kind = _parse_kind(texts["kind"])
    symbol = parse_symbol(texts["symbol"]) if texts["symbol"] else ""
    unused = ("amount",) if kind.is_trade else ("quantity", "price", "fee")
    for name in unused:
        if texts[name]:
            raise InvalidRequest(f"{name} of a {kind} was {texts[name][:20]!r}, expected none")
    if not kind.is_trade:
        return make_movement(entry_id, day, kind, parse_yen(texts["amount"], field="amount"), symbol=symbol, note=note)
    if not symbol:
        raise InvalidRequest(f"symbol of a {kind} was '', expected a symbol")
    fee = parse_yen(texts["fee"], field="fee") if texts["fee"] else ZERO
    order = Order(symbol, parse_quantity(texts["quantity"]), parse_yen(texts["price"], field="price"), fee)
    return make_trade(entry_id, day, kind, order, note=note)


def parse_day(text: str, today: date) -> date:
    """Return the day of a cell.

    Raises:
        InvalidRequest: it is no day from 1990 to today.

    """
    slashed = _SLASHED.fullmatch(text)
    try:
        day = date(*map(int, slashed.groups())) if slashed else date.fromisoformat(text)
    except ValueError as e:
        raise InvalidRequest(f"day was {text[:20]!r}, expected YYYY-MM-DD") from e
    return check_day(day, today=today)


def _parse_kind(text: str) -> EntryKind:
    if text not in _KINDS:
        raise InvalidRequest(f"kind was {text[:20]!r}, expected one of {', '.join(_KINDS)}")
    return EntryKind(text)


def parse_quantity(text: str) -> int:
    """Return the shares of a cell.

    Raises:
        InvalidRequest: it is no whole number.

    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise InvalidRequest(f"quantity was {text[:20]!r}, expected a whole number")
    return int(text)


def parse_number(text: str, *, field: str) -> Decimal:
    """Return the yen of a cell of a broker, which may have commas before each three digits.

    Raises:
        InvalidRequest: it is no such amount.

    """
    return parse_yen(text.replace(",", "") if _GROUPED.fullmatch(text) else text, field=field)
