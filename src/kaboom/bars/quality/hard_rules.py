"""Hard quality rules: which rows are rejected and why, and which of several rows for a bar is kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaboom.bars.quality.slot_table import Ints, SlotTable
from kaboom.market.rules import Bools, Floats

#: Reasons by code; the first that applies to a row counts. 0 is a good row, 2 to 4 come from the slot table, and the
#: last one is said by a provider, of a row that it cannot read.
REASONS = (
    "",
    "wrong_symbol",
    "future",
    "closed_day",
    "off_grid",
    "bad_price",
    "ohlc_order",
    "bad_volume",
    "duplicate",
    "unreadable",
)
WRONG_SYMBOL, BAD_PRICE, OHLC_ORDER, BAD_VOLUME, DUPLICATE, UNREADABLE = 1, 5, 6, 7, 8, 9

#: No price of any market is higher, in any currency.
_MOST_PRICE = 1e12

# Above this a float cannot hold every whole number.
_MOST_VOLUME = 2.0**53

Codes = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars as arrays of one length.

    Attributes:
        row: position of the bar in the raw frame.
        code: rank of its symbol among the requested ones, sorted; -1 for any other.
        session: index of its session among the requested ones; -1 for any other.
        slot: place in the day, counted in intervals.

    """

    row: Ints
    code: NDArray[np.int32]
    session: NDArray[np.int32]
    slot: Ints
    prices: tuple[Floats, ...]
    volume: Floats

    def take(self, index: Ints) -> "Columns":
        """Return the bars at some positions, in that order."""
        return Columns(
            row=self.row[index],
            code=self.code[index],
            session=self.session[index],
            slot=self.slot[index],
            prices=tuple(price[index] for price in self.prices),
            volume=self.volume[index],
        )


@dataclass(frozen=True, slots=True)
class HardRuleResult:
    """The result of the hard rules.

    Attributes:
        kept: good bars, sorted by symbol and time, unique.
        disputed: which of them replaced another row with other values.
        refused: positions of the rejected rows in the frame, in its order.
        reasons: their codes.

    """

    kept: Columns
    disputed: Bools
    refused: Ints
    reasons: Codes


def apply_hard_rules(
    code: NDArray[np.int32], stamps: Ints, values: tuple[Floats, ...], table: SlotTable
) -> HardRuleResult:
    """Return the good and the rejected rows; rows without values, and copies, are neither.

    `values` are open, high, low, close and volume, with NaN for null; `stamps` are UTC epoch microseconds.
    """
    session, slot, reasons = table.place(stamps)
    _refuse_values(reasons, values)
    reasons[code < 0] = WRONG_SYMBOL
    if not reasons.any():
        rows = np.arange(code.size, dtype=np.int64)
        columns = Columns(rows, code, session, slot, values[:4], values[4])
        return _resolve_duplicates(columns, reasons, table.per_day)
    # A row without any of the five values is not a bar, whatever its time.
    nothing = np.isnan(values[0]) & np.logical_and.reduce([np.isnan(column) for column in values[1:]])
    good = np.flatnonzero((reasons == 0) & ~nothing)
    prices = tuple(column[good] for column in values[:4])
    reasons[nothing] = 0
    columns = Columns(good, code[good], session[good], slot[good], prices, values[4][good])
    return _resolve_duplicates(columns, reasons, table.per_day)


def _refuse_values(reasons: Codes, values: tuple[Floats, ...]) -> None:
    opening, high, low, close, volume = values
    # Both propagate NaN, and NaN fails every comparison.
    lowest = np.minimum(np.minimum(opening, close), np.minimum(high, low))
    highest = np.maximum(np.maximum(opening, close), np.maximum(high, low))
    free = reasons == 0
    good_volume = (volume >= 0) & (volume <= _MOST_VOLUME) & (np.floor(volume) == volume)
    reasons[free & ~good_volume] = BAD_VOLUME
    reasons[free & ((high != highest) | (low != lowest))] = OHLC_ORDER
    reasons[free & ~((lowest > 0) & (highest <= _MOST_PRICE))] = BAD_PRICE


def _resolve_duplicates(columns: Columns, reasons: Codes, per_day: int) -> HardRuleResult:
    span = (int(columns.session.max(initial=0)) + 1) * per_day
    key = columns.code.astype(np.int64) * span + columns.session.astype(np.int64) * per_day + columns.slot
    disputed = np.zeros(key.size, dtype=np.bool_)
    if not np.all(key[1:] > key[:-1]):
        # Stable, so that of several rows for one bar the newest stays last.
        order = np.argsort(key, kind="stable")
        columns, key = columns.take(order), key[order]
        is_last = np.append(key[1:] != key[:-1], True)
        winners = np.flatnonzero(is_last)
        others = np.flatnonzero(~is_last)
        rank = np.searchsorted(winners, others)
        lost = _differ(columns, others, winners[rank])
        reasons[columns.row[others[lost]]] = DUPLICATE
        columns = columns.take(winners)
        disputed = np.zeros(winners.size, dtype=np.bool_)
        disputed[rank[lost]] = True
    refused = np.flatnonzero(reasons)
    return HardRuleResult(columns, disputed, refused, reasons[refused])


def _differ(columns: Columns, left: Ints, right: Ints) -> Bools:
    values = (*columns.prices, columns.volume)
    return np.any([column[left] != column[right] for column in values], axis=0)
