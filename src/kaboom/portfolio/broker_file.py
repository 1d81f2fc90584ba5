"""The trade history of a broker as a file: its cash trades of shares as entries. SBI, Rakuten and Monex write one.

A history has trades only, no deposits; it is exported again and again, so that trades of an earlier file come with it.
"""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from kaboom.errors import InvalidRequest
from kaboom.market.symbol import parse_symbol
from kaboom.portfolio.csv_file import MOST_FAULTS, Fault, Parsed, parse_day, parse_number, torn
from kaboom.portfolio.entry import Entry, EntryKind, Order, check_note, make_trade
from kaboom.portfolio.money import ZERO, format_yen

_DAY, _SYMBOL = "約定日", "銘柄コード"
#: What stands for no amount.
_NOTHING = frozenset({"", "-", "--"})
#: An amount that was settled is whole yen; that of a mean price may not be.
_ROUNDING = Decimal(1)


@dataclass(frozen=True, slots=True)
class Broker:
    """The columns of a broker's file, with brackets and digits in half width.

    Attributes:
        name: what notes and answers call the broker.
        kind: the columns that say what a row is. kinds: their values for trades of shares for cash.
        costs: fees and taxes in yen; `settled` is what was paid or received with them.
        account: the kind of account, such as 特定.

    """

    name: str
    kind: tuple[str, ...]
    kinds: Mapping[tuple[str, ...], EntryKind]
    quantity: str
    price: str
    costs: tuple[str, ...]
    settled: str
    account: str

    @property
    def columns(self) -> frozenset[str]:
        """The columns that a file must have."""
        return frozenset(
            {_DAY, _SYMBOL, *self.kind, self.quantity, self.price, *self.costs, self.settled, self.account}
        )


BROKERS = (
    Broker(
        "SBI",
        ("取引",),
        {("株式現物買",): EntryKind.BUY, ("株式現物売",): EntryKind.SELL},
        "約定数量",
        "約定単価",
        ("手数料/諸経費等", "税額"),
        "受渡金額/決済損益",
        "預り",
    ),
    Broker(
        "Rakuten",
        ("取引区分", "売買区分"),
        {("現物", "買付"): EntryKind.BUY, ("現物", "売付"): EntryKind.SELL},
        "数量[株]",
        "単価[円]",
        ("手数料[円]", "税金等[円]", "諸費用[円]"),
        "受渡金額[円]",
        "口座区分",
    ),
    Broker(
        "Monex",
        ("商品", "取引"),
        {("株式", "お買付"): EntryKind.BUY, ("株式", "ご売却"): EntryKind.SELL},
        "数量(株/口)/返済数量",
        "単価/返済約定単価",
        ("手数料", "税金(手数料消費税及び譲渡益税)"),
        "受渡金額(円)",
        "口座",
    ),
)


class NotBooked(Exception):
    """A row that is no cash trade of shares."""


def parse_history(text: str, new_id: Callable[[], str], *, today: date) -> Parsed | None:
    """Return the trades of a broker's file, or the faults in its lines; None if it is no such file.

    Rows above the header are passed over. A row that is no cash trade of shares is left out, with the reason: margin
    trades, funds and transfers are not in a portfolio's book.
    """
    rows, fault = _read(text)
    head = next(((n, found) for n, (_, cells) in enumerate(rows) if (found := _find_broker(cells))), None)
    if head is None:
        return None
    n, broker = head
    names = [_plain(cell) for cell in rows[n][1]]
    trades, left_out, faults = list[tuple[int, Entry]](), list[Fault](), [fault] if fault else list[Fault]()
    for line, cells in rows[n + 1 :]:
        try:
            trades.append((line, _parse(broker, _to_row(names, cells), new_id(), today)))
        except NotBooked as e:
            left_out.append(Fault(line, str(e)))
        except InvalidRequest as e:
            faults.append(Fault(line, e.message))
            if len(faults) == MOST_FAULTS:
                break
    lines = {entry.entry_id: line for line, entry in trades}
    entries = tuple(_sort([entry for _, entry in trades]))
    return Parsed(entries, lines, tuple(faults), broker=broker.name, left_out=tuple(left_out))


def leave_out_booked(new: Iterable[Entry], kept: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the new trades that the kept entries do not have: n equal trades of a day need n kept ones to be left out.

    A trade that was reversed counts as kept: it is not booked again. Fees are not compared, since a trade that was
    typed in may be without its fee.
    """
    known = Counter(_key(entry) for entry in kept if entry.kind.is_trade)
    for entry in new:
        if known[_key(entry)]:
            known[_key(entry)] -= 1
        else:
            yield entry


def _key(entry: Entry) -> tuple[date, EntryKind, str, int, Decimal]:
    return entry.day, entry.kind, entry.symbol, entry.quantity, entry.price


def _read(text: str) -> tuple[list[tuple[int, list[str]]], Fault | None]:
    """Return the rows that are not empty, each with its line, up to one that is no CSV."""
    reader, rows = (
        csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True),
        list[tuple[int, list[str]]](),
    )
    try:
        rows.extend((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
    except csv.Error as e:
        return rows, torn(reader.line_num, e)
    return rows, None


def _find_broker(cells: Sequence[str]) -> Broker | None:
    names = frozenset(map(_plain, cells))
    return next((broker for broker in BROKERS if broker.columns <= names), None)


def _plain(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).strip()


def _to_row(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(names):
        raise InvalidRequest(f"the line had {len(cells)} cells, expected {len(names)} as in the header")
    return dict(zip(names, map(_plain, cells), strict=True))


def _parse(broker: Broker, row: Mapping[str, str], entry_id: str, today: date) -> Entry:
    said = tuple(row[name] for name in broker.kind)
    kind = broker.kinds.get(said)
    if kind is None:
        raise NotBooked(
            f"{' '.join(broker.kind)} was {' '.join(said).strip()[:40]!r}, which is no cash trade of shares"
        )
    day = parse_day(row[_DAY], today)
    symbol = parse_symbol(row[_SYMBOL])
    quantity = _shares(row[broker.quantity], broker.quantity)
    price = parse_number(row[broker.price], field=broker.price)
    fee = _fee(broker, row, kind, price * quantity)
    note = check_note(f"{broker.name} {row[broker.account]}".strip())
    return make_trade(entry_id, day, kind, Order(symbol, quantity, price, fee), note=note)


def _shares(text: str, column: str) -> int:
    shares = parse_number(text, field=column)
    if shares % 1:
        raise InvalidRequest(f"{column} was {text[:20]!r}, expected a whole number")
    return int(shares)


def _fee(broker: Broker, row: Mapping[str, str], kind: EntryKind, amount: Decimal) -> Decimal:
    """Return what was paid beside the amount: by what was settled, which may be with or without each of the costs."""
    costs = sum((_optional(row, name) for name in broker.costs), ZERO)
    if row[broker.settled] in _NOTHING:
        return costs
    # What was paid may have a sign.
    settled = parse_number(row[broker.settled].lstrip("+-"), field=broker.settled)
    fee = settled - amount if kind is EntryKind.BUY else amount - settled
    if not -_ROUNDING < fee < costs + _ROUNDING:
        all_in = amount + costs if kind is EntryKind.BUY else amount - costs
        raise InvalidRequest(
            f"{broker.settled} was {format_yen(settled)}, expected {format_yen(amount)} to {format_yen(all_in)}, "
            "by quantity, price and costs"
        )
    return max(fee, ZERO)


def _optional(row: Mapping[str, str], name: str) -> Decimal:
    return ZERO if row[name] in _NOTHING else parse_number(row[name], field=name)


def _sort(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries by day, oldest first; of a day the sells that pay for buys first.

    A symbol that was bought and sold on one day was bought first, as brokers compute its mean price.
    """
    if entries and entries[0].day > entries[-1].day:
        entries = entries[::-1]
    bought = {(entry.day, entry.symbol) for entry in entries if entry.kind is EntryKind.BUY}

    def place(entry: Entry) -> tuple[date, int]:
        if entry.kind is EntryKind.BUY:
            return entry.day, 1
        return entry.day, 2 if (entry.day, entry.symbol) in bought else 0

    return sorted(entries, key=place)
