"""The report of a write that a store makes of the bars before and after it."""

from kaboom.bars.store import report_replaced
from tests.fixtures.bars.stored_bars import JUNE_2, at, bar, frame


def test_corrections_are_reported_by_symbol_and_time_whatever_the_order_of_the_write() -> None:
    keys = [("7203", 2), ("6758", 0), ("7203", 1)]
    held = frame(*(bar(symbol, at(JUNE_2, minute), 100) for symbol, minute in keys))
    taken = frame(*(bar(symbol, at(JUNE_2, minute), 101) for symbol, minute in keys))
    reported = [(each.symbol, each.opened_at) for each in report_replaced(taken, held).corrections]
    assert reported == [(symbol, at(JUNE_2, minute)) for symbol, minute in sorted(keys)]
