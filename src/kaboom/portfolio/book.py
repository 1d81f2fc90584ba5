"""The book of a portfolio: entries and splits in their order, from which positions and cash follow."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import accumulate

from kaboom.errors import Conflict, InvalidRequest
from kaboom.market.action import Split
from kaboom.portfolio.entry import Entry, EntryKind, in_force, make_movement, number_entries
from kaboom.portfolio.money import ZERO, format_yen
from kaboom.portfolio.position import Position

_IN = frozenset(kind for kind in EntryKind if kind.is_income) | {EntryKind.SELL, EntryKind.DEPOSIT}


class Shortfall(Conflict):
    """An entry that needs more cash or shares than there are.

    Attributes:
        entry_id: the entry.
        is_of_cash: whether cash lacks, not shares.

    """

    def __init__(self, message: str, entry_id: str, *, is_of_cash: bool) -> None:
        super().__init__(message)
        self.entry_id, self.is_of_cash = entry_id, is_of_cash


class OddLot(InvalidRequest):
    """A trade that is not of whole lots.

    Attributes:
        entry_id: the entry.

    """

    def __init__(self, message: str, entry_id: str) -> None:
        super().__init__(message, pointer="/quantity")
        self.entry_id = entry_id


class Book:
    """The cash and the positions of a portfolio, changed entry by entry.

    Attributes:
        cash: yen, never negative.
        positions: by symbol, including closed ones.
        net_deposits: deposits less withdrawals, in yen.
        income: dividends, interest and payments for fractions, in yen.
        costs: fees and taxes that do not belong to a trade, in yen.

    """

    __slots__ = ("cash", "costs", "income", "net_deposits", "positions")

    def __init__(self) -> None:
        self.cash = self.net_deposits = self.income = self.costs = ZERO
        self.positions: dict[str, Position] = {}

    @property
    def realised(self) -> Decimal:
        """The realised profit of sells, by the moving average, in yen."""
        return sum((position.realised for position in self.positions.values()), ZERO)

    def held(self, symbol: str) -> int:
        """Return the shares of a symbol."""
        position = self.positions.get(symbol)
        return position.quantity if position else 0

    def apply(self, entry: Entry) -> None:
        """Add one entry, which must not be a reversal.

        Raises:
            Shortfall: the entry needs more cash or shares than there are; nothing is changed.

        """
        if entry.kind is EntryKind.SELL and entry.quantity > self.held(entry.symbol):
            raise Shortfall(
                f"{entry.symbol} would be short on {entry.day}: {entry.quantity} sold, {self.held(entry.symbol)} held",
                entry.entry_id,
                is_of_cash=False,
            )
        self.pay(entry)
        self.hold(entry)

    def hold(self, entry: Entry) -> None:
        """Change the positions by an entry, which must not be a reversal, and leave the cash as it is."""
        if entry.kind is EntryKind.BUY:
            self._position(entry).buy(entry.day, entry.quantity, entry.amount + entry.fee)
        elif entry.kind is EntryKind.SELL:
            self._position(entry).sell(entry.quantity, entry.amount - entry.fee)
        elif entry.kind.is_income and entry.symbol:
            self._position(entry).income += entry.amount

    def pay(self, entry: Entry) -> None:
        """Move the cash of an entry, which must not be a reversal, and leave positions as they are.

        Raises:
            Shortfall: the entry needs more cash than there is; nothing is changed.

        """
        kind = entry.kind
        rest = self.cash + _moved(entry)
        if rest < 0:
            raise Shortfall(
                f"cash would be {format_yen(rest)} yen on {entry.day}, expected 0 or more: deposit cash by then",
                entry.entry_id,
                is_of_cash=True,
            )
        self.cash = rest
        if kind in {EntryKind.DEPOSIT, EntryKind.WITHDRAWAL}:
            self.net_deposits += _moved(entry)
        elif kind.is_income:
            self.income += entry.amount
        elif kind.is_cost:
            self.costs += entry.amount

    def split(self, split: Split) -> None:
        """Apply a split to the shares that are held."""
        position = self.positions.get(split.symbol)
        if position and position.quantity:
            position.split(split.shares)

    def _position(self, entry: Entry) -> Position:
        return self.positions.setdefault(entry.symbol, Position())


def deposit_what_lacks(new: Sequence[Entry], kept: Sequence[Entry], new_id: Callable[[], str]) -> list[Entry]:
    """Return new entries with a deposit before each buy for which there is too little cash, on its day.

    A deposit also covers what later entries lack up to the next new buy, such as a buy that was booked before.
    """
    ids, cash, paid = {entry.entry_id for entry in new}, ZERO, dict[str, Decimal]()
    for run in _runs(in_force([*kept, *number_entries(new, after=len(kept))]), ids):
        moves = list(accumulate((_moved(entry) for entry in run), initial=cash))
        cash, first = moves[-1], run[0]
        if min(moves) < 0 and first.kind is EntryKind.BUY and first.entry_id in ids:
            paid[first.entry_id] = -min(moves)
            cash -= min(moves)
    found = list[Entry]()
    for entry in new:
        if entry.entry_id in paid:
            lacking, note = paid[entry.entry_id], f"for {entry.symbol}"
            found.append(make_movement(new_id(), entry.day, EntryKind.DEPOSIT, lacking, note=note))
        found.append(entry)
    return found


def _runs(entries: Sequence[Entry], new_ids: Container[str]) -> Iterator[list[Entry]]:
    """Yield the entries in parts that begin with a new buy, but for the first one."""
    run: list[Entry] = []
    for entry in entries:
        if run and entry.kind is EntryKind.BUY and entry.entry_id in new_ids:
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def _moved(entry: Entry) -> Decimal:
    return (entry.amount if entry.kind in _IN else -entry.amount) - entry.fee


type Apply = Callable[[Book, Entry], None]


def replay(
    entries: Sequence[Entry], splits: Iterable[Split], *, until: date = date.max, apply: Apply = Book.apply
) -> Book:
    """Return the book after all entries and splits up to a day; `apply` adds an entry to it.

    A split counts before the entries of its ex-session, whose shares are new ones.

    Raises:
        Shortfall: cash or a position would be negative at any time.

    """
    book, waiting = Book(), sorted(splits, key=lambda split: split.ex_session, reverse=True)
    for entry in in_force(entries):
        if entry.day > until:
            break
        while waiting and waiting[-1].ex_session <= entry.day:
            book.split(waiting.pop())
        apply(book, entry)
    while waiting and waiting[-1].ex_session <= until:
        book.split(waiting.pop())
    return book


def check_new(kept: Sequence[Entry], new: Sequence[Entry], splits: Iterable[Split], *, lot: int) -> None:
    """Check new entries, which are numbered; `splits` are those of their symbols.

    A buy must be of whole lots; a sell may also include the odd shares that a split left, if it includes all of them.

    Raises:
        Shortfall: with them, cash or a position in their symbols would be negative on some day.
        OddLot: an entry is not of whole lots.

    """
    ids, symbols = {entry.entry_id for entry in new}, {entry.symbol for entry in new}

    def apply(book: Book, entry: Entry) -> None:
        if entry.entry_id in ids:
            _check_lot(entry, book.held(entry.symbol), lot)
        # Positions in other symbols are not checked: their splits are not known here.
        (book.apply if entry.symbol in symbols else book.pay)(entry)

    replay([*kept, *new], splits, apply=apply)


def _check_lot(entry: Entry, held: int, lot: int) -> None:
    odd = entry.quantity % lot
    if odd and (entry.kind is EntryKind.BUY or odd != held % lot):
        raise OddLot(f"quantity was {entry.quantity}, expected a multiple of {lot}", entry.entry_id)
