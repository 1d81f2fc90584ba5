"""The outcome of a symbol of a window by what was said, rejected and written, and of one over several windows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from kaboom.bars.quality.checks import Checked
from kaboom.bars.store import QUARANTINE_SCHEMA, RefusedBars
from kaboom.ingest.outcomes import Writing, find_outcomes, say_stored
from kaboom.ingest.runner import _worse
from kaboom.market.outcome import Outcome, SymbolOutcome
from tests.fixtures.bars.stored_bars import JUNE_2, at, bar, frame

NOT_LISTED, NO_TRADES = Outcome.NOT_LISTED, Outcome.NO_TRADES


def rejected(symbol: str, reason: str, file: str | None = None, line: int | None = None) -> dict[str, Any]:
    opened_at = datetime(2025, 6, 2, tzinfo=UTC)
    values = dict.fromkeys(QUARANTINE_SCHEMA)
    return values | {"symbol": symbol, "opened_at": opened_at, "reason": reason, "file": file, "line": line}


def outcomes_of(
    *symbols: str,
    stored: Mapping[str, int] | None = None,
    lost: list[dict[str, Any]] | None = None,
    writing: Writing | None = None,
    said: Mapping[str, SymbolOutcome] | None = None,
) -> list[SymbolOutcome]:
    bars = frame(*(bar(symbol, at(JUNE_2, n)) for symbol, count in (stored or {}).items() for n in range(count)))
    checked = Checked(bars, pl.DataFrame(lost or [], schema=QUARANTINE_SCHEMA), {})
    return list(find_outcomes(symbols, said or {}, checked, writing or Writing()).values())


def test_symbols_of_which_nothing_is_known_had_no_trades_in_the_order_asked() -> None:
    assert outcomes_of("7203", "1301", stored={"1301": 2}) == [
        SymbolOutcome("7203", NO_TRADES),
        SymbolOutcome("1301", Outcome.OK, rows=2),
    ]


def test_rejected_rows_beside_stored_ones_are_counted_and_no_fault() -> None:
    lost = [rejected("7203", "volume"), rejected("7203", "off_grid")]
    assert outcomes_of("7203", stored={"7203": 3}, lost=lost) == [SymbolOutcome("7203", Outcome.OK, rows=3, refused=2)]


def test_the_reasons_of_rejected_rows_are_named_once_and_sorted() -> None:
    lost = [rejected("7203", reason) for reason in ("volume", "off_grid", "volume")]
    message = "rejected: off_grid, volume (at 2025-06-02 09:00)"
    assert outcomes_of("7203", lost=lost) == [SymbolOutcome("7203", Outcome.INVALID, message=message, refused=3)]


def test_a_rejected_row_of_a_file_is_a_fault_beside_stored_ones_and_its_first_place_is_named() -> None:
    lost = [
        rejected("7203", "off_grid", "a.csv", 7),
        rejected("7203", "volume", "b.csv", 2),
        rejected("1301", "volume"),
    ]
    seven, other = outcomes_of("7203", "1301", stored={"7203": 3, "1301": 1}, lost=lost)
    message = "rejected: off_grid, volume (a.csv, line 7, at 2025-06-02 09:00)"
    assert seven == SymbolOutcome("7203", Outcome.INVALID, rows=3, message=message, refused=2)
    assert other == SymbolOutcome("1301", Outcome.OK, rows=1, refused=1)


def test_a_row_of_a_file_that_a_later_one_replaces_is_no_fault() -> None:
    lost = [rejected("7203", "duplicate", "a.csv", 3)]
    assert outcomes_of("7203", stored={"7203": 1}, lost=lost) == [SymbolOutcome("7203", Outcome.OK, rows=1, refused=1)]
    (outcome,) = outcomes_of("7203", stored={"7203": 1}, lost=[*lost, rejected("7203", "volume", "a.csv", 9)])
    assert outcome.message == "rejected: duplicate, volume (a.csv, line 9, at 2025-06-02 09:00)"


def test_a_write_that_failed_fails_the_symbols_that_had_rows_or_rejected_ones() -> None:
    found = outcomes_of(
        "7203",
        "1301",
        "9984",
        stored={"7203": 1},
        lost=[rejected("1301", "volume")],
        writing=Writing("the disk is full"),
    )
    assert found == [
        SymbolOutcome("7203", Outcome.WRITE_FAILED, message="the disk is full"),
        SymbolOutcome("1301", Outcome.WRITE_FAILED, message="the disk is full", refused=1),
        SymbolOutcome("9984", NO_TRADES),
    ]


def test_bars_that_the_store_refused_are_taken_off_and_told() -> None:
    writing = Writing(refused={"7203": RefusedBars("7203", 2, "the page is damaged")})
    assert outcomes_of("7203", "1301", stored={"7203": 5, "1301": 5}, writing=writing) == [
        SymbolOutcome(
            "7203", Outcome.WRITE_FAILED, rows=3, message="the store refused 2 of 5 bars: the page is damaged"
        ),
        SymbolOutcome("1301", Outcome.OK, rows=5),
    ]


def test_a_fault_that_was_said_stays_with_the_rows_before_it() -> None:
    fault = SymbolOutcome("7203", Outcome.PROVIDER_ERROR, message="cut off", attempts=3)
    (found,) = outcomes_of(
        "7203", stored={"7203": 4}, lost=[rejected("7203", "volume", "a.csv", 1)], said={"7203": fault}
    )
    assert found == SymbolOutcome("7203", Outcome.PROVIDER_ERROR, rows=4, message="cut off", attempts=3, refused=1)


@pytest.mark.parametrize("word", [NOT_LISTED, NO_TRADES])
def test_rows_overrule_a_provider_that_said_there_are_none(word: Outcome) -> None:
    said = {"7203": SymbolOutcome("7203", word, message="gone")}
    assert outcomes_of("7203", stored={"7203": 1}, said=said) == [SymbolOutcome("7203", Outcome.OK, rows=1)]
    assert outcomes_of("7203", said=said) == [said["7203"]]


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (
            SymbolOutcome("7203", Outcome.INVALID, rows=1_000, refused=234, message="rejected: volume"),
            "1,000 of 1,234 rows were stored; rejected: volume",
        ),
        (
            SymbolOutcome("7203", Outcome.INVALID, refused=2, message="rejected: volume"),
            "every row was rejected: volume",
        ),
        (SymbolOutcome("7203", Outcome.INVALID, refused=2, message="not a code"), "not a code"),
        (SymbolOutcome("7203", Outcome.INVALID, rows=2, message="rejected: volume"), "rejected: volume"),
        (SymbolOutcome("7203", Outcome.WRITE_FAILED, rows=2, refused=1, message="full"), "full"),
    ],
)
def test_the_message_of_an_invalid_symbol_says_how_much_was_stored(outcome: SymbolOutcome, message: str) -> None:
    assert say_stored(outcome).message == message


def test_over_windows_the_most_severe_outcome_counts_with_the_rows_of_both() -> None:
    order = [
        NOT_LISTED,
        NO_TRADES,
        Outcome.OK,
        Outcome.RATE_LIMITED,
        Outcome.INVALID,
        Outcome.PROVIDER_ERROR,
        Outcome.WRITE_FAILED,
    ]
    assert set(order) == set(Outcome)
    for severe in range(1, len(order)):
        for other in range(severe):
            one = SymbolOutcome("7203", order[severe], rows=1, refused=10, message="severe")
            two = SymbolOutcome("7203", order[other], rows=2, refused=20, message="other")
            expected = SymbolOutcome("7203", order[severe], rows=3, refused=30, message="severe")
            assert _worse(one, two) == _worse(two, one) == expected
