"""Validity: what dated lists say together of who came, left, moved and was renamed, and what they leave open."""

from datetime import date
from pathlib import Path

import pytest

from kaboom.market.listing import Listing, Market
from kaboom.market.lists.history import ListingHistory, load_history
from kaboom.market.lists.snapshot import Delisted, Snapshot, format_snapshot

JAN, MAR, MAY, JUL = (date(2025, month, 31) for month in (1, 3, 5, 7))
PRIME, GROWTH = Market.TSE_PRIME, Market.TSE_GROWTH


def listed(as_of: date, **symbols: Market | tuple[Market, str]) -> Snapshot:
    """Return a list of issues from `s7203=PRIME`, or with a name."""
    pairs = {code[1:]: (word if isinstance(word, tuple) else (word, f"name {code}")) for code, word in symbols.items()}
    return Snapshot(as_of, "a test", tuple(Listing(code, name, m, "", "") for code, (m, name) in pairs.items()))


HISTORY = ListingHistory(
    (
        listed(MAY, s7203=PRIME, s285A=PRIME, s167A=(PRIME, "Ryosan")),
        listed(JAN, s7203=PRIME, s9613=PRIME, s8140=(PRIME, "Ryosan"), s3556=GROWTH),
        listed(MAR, s7203=PRIME, s9613=PRIME, s8140=(PRIME, "Ryosan"), s3556=PRIME),
    ),
    (Delisted(JUL, frozenset({"285A"})),),
)


def test_a_symbol_of_one_list_and_not_of_the_next_left_in_between() -> None:
    (span,) = HISTORY.validities("9613")
    assert (span.came_after, span.first_seen, span.last_seen, span.left_by) == (None, JAN, MAR, MAY)
    assert (span.moved_to, span.renamed_to) == (None, None)


def test_a_symbol_of_every_list_has_no_end() -> None:
    (span,) = HISTORY.validities("7203")
    assert (span.first_seen, span.last_seen, span.left_by) == (JAN, MAY, None)


def test_a_symbol_that_came_and_was_known_to_be_gone_has_both_ends() -> None:
    (span,) = HISTORY.validities("285A")
    assert (span.came_after, span.first_seen, span.last_seen, span.left_by) == (MAR, MAY, MAY, JUL)


def test_a_move_makes_two_spans() -> None:
    old, new = HISTORY.validities("3556")
    assert (old.market, old.left_by, old.moved_to) == (GROWTH, MAR, PRIME)
    assert (new.market, new.came_after, new.first_seen, new.left_by) == (PRIME, JAN, MAR, MAY)


def test_a_name_that_goes_on_under_another_code_was_renamed() -> None:
    assert HISTORY.validities("8140")[0].renamed_to == "167A"
    assert HISTORY.validities("167A")[0].renamed_from == "8140"
    twice = ListingHistory((listed(JAN, s1=(PRIME, "A")), listed(MAR, s2=(PRIME, "A"), s3=(PRIME, "A"))))
    assert twice.validities("1")[0].renamed_to is None


@pytest.mark.parametrize(
    ("symbol", "session", "is_absent"),
    [
        ("7203", date(2020, 1, 6), False),
        ("7203", date(2030, 1, 4), False),
        ("9613", date(2025, 4, 15), False),  # nobody knows
        ("9613", MAY, True),
        ("9613", date(2030, 1, 4), True),
        ("285A", date(2020, 1, 6), True),
        ("285A", MAR, True),
        ("285A", date(2025, 4, 15), False),  # nobody knows
        ("285A", MAY, False),
        ("285A", JUL, True),
        ("3556", date(2025, 2, 14), False),
        ("3556", MAR, False),
        ("3556", MAY, True),
        ("1306", MAY, False),  # no list has it: an ETF, perhaps
    ],
)
def test_only_what_is_certain_counts_as_absent(symbol: str, session: date, *, is_absent: bool) -> None:
    assert HISTORY.is_absent(symbol, session) is is_absent


def test_a_symbol_that_came_back_was_absent_between_the_lists_without_it() -> None:
    back = ListingHistory((listed(JAN, s1=PRIME), listed(MAR), listed(MAY), listed(JUL, s1=PRIME)))
    days = {date(2025, 2, 14): False, MAR: True, date(2025, 4, 15): True, MAY: True, date(2025, 6, 16): False}
    assert {day: back.is_absent("1", day) for day in days} == days


def test_an_absence_is_explained() -> None:
    assert HISTORY.explain("9613", MAY) == f"left after {MAR}, by {MAY}"
    assert HISTORY.explain("8140", MAY) == f"left after {MAR}, by {MAY}, renamed to 167A"
    assert HISTORY.explain("285A", JAN) == f"listed after {MAR}, by {MAY}"


def test_the_shipped_lists_know_who_left() -> None:
    history = load_history()
    (span,) = history.validities("9613")
    assert (span.last_seen, span.left_by) == (date(2024, 3, 29), date(2026, 10, 5))
    assert history.is_absent("9613", date(2026, 10, 5))
    assert not history.is_absent("7203", date(2026, 10, 5))


def test_an_import_is_seen_at_once(tmp_path: Path) -> None:
    assert not load_history(tmp_path).is_absent("9613", date(2026, 1, 5))
    (tmp_path / "new.csv").write_text(format_snapshot(listed(date(2025, 12, 30), s7203=PRIME)), encoding="utf-8")
    assert load_history(tmp_path).is_absent("9613", date(2026, 1, 5))
    assert load_history(tmp_path) is load_history(tmp_path)


@pytest.mark.parametrize(
    ("symbol", "sessions", "was_listed"),
    [
        ("9613", [MAR], True),
        ("9613", [MAY], False),
        ("9613", [MAR, MAY], True),
        # The oldest list counts for the days before it.
        ("9613", [date(2020, 1, 6)], True),
        # Of a later list: not before it.
        ("285A", [date(2020, 1, 6), MAR], False),
        ("285A", [MAY], True),
        ("285A", [JUL], False),
        # A move from one market to another is no gap.
        ("3556", [date(2025, 2, 14)], True),
        ("9999", [MAY], False),
        ("7203", [], False),
    ],
)
def test_a_symbol_was_listed_where_the_list_of_the_day_has_it(
    symbol: str, sessions: list[date], *, was_listed: bool
) -> None:
    assert HISTORY.was_listed(symbol, sessions) is was_listed


def test_the_nearest_codes_are_those_of_the_day() -> None:
    assert HISTORY.find_nearest("9614", JAN)[0] == "9613"
    assert "9613" not in HISTORY.find_nearest("9614", MAY)
    assert HISTORY.newest == MAY
