"""Whose word on an action counts."""

from datetime import date

import polars as pl
import pytest

from kaboom.bars.actions.adjustment import ACTION_SCHEMA, applied_actions, applied_dividends, resolve_actions
from kaboom.bars.actions.store import NOTE_SCHEMA
from kaboom.market.action import ActionState
from tests.fixtures.bars.noted_actions import dividend_note, note

REPORTED, SUSPECTED, CONFIRMED, REJECTED = ActionState
DAY, LATER = date(2025, 11, 4), date(2025, 11, 5)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ((SUSPECTED,), SUSPECTED),
        ((SUSPECTED, REPORTED), REPORTED),
        ((REPORTED, SUSPECTED, REJECTED), REJECTED),
        ((SUSPECTED, CONFIRMED), CONFIRMED),
    ],
)
def test_a_persons_word_beats_a_providers_and_that_the_looks_of_bars(
    said: tuple[ActionState, ...], counts: ActionState
) -> None:
    for order in (said, said[::-1]):
        notes = pl.concat([note("7203", DAY, 1 / (2 + n), state) for n, state in enumerate(order)])
        (action,) = resolve_actions(notes).rows(named=True)
        assert action["state"] == counts
        assert action["factor"] == 1 / (2 + order.index(counts))
        assert applied_actions(notes, until=DAY).height == counts.is_applied


def test_an_action_to_come_is_not_applied_yet() -> None:
    notes = pl.concat([note("7203", DAY), note("7203", LATER)])
    assert applied_actions(notes, until=DAY)["ex_session"].to_list() == [DAY]
    assert applied_actions(notes, until=LATER)["ex_session"].to_list() == [DAY, LATER]


def test_no_notes_are_no_actions() -> None:
    settled = resolve_actions(pl.DataFrame(schema=NOTE_SCHEMA))
    assert settled.schema == ACTION_SCHEMA
    assert settled.is_empty()


def test_a_note_of_an_older_release_is_one_of_its_provider() -> None:
    older = note("7203", DAY).with_columns(pl.lit("told").alias("state"))
    assert resolve_actions(older)["state"].to_list() == [REPORTED]
    assert applied_actions(older, until=DAY).height == 1


def test_a_dividend_counts_apart_from_the_factor_of_its_session() -> None:
    notes = pl.concat(
        [
            note("7203", DAY),
            dividend_note("7203", DAY, 45.0),
            dividend_note("7203", DAY, 40.0, CONFIRMED),
            dividend_note("6758", DAY, 10.0),
            dividend_note("6758", DAY, 10.0, REJECTED),
            dividend_note("6501", LATER, 7.0),
        ]
    )
    assert applied_actions(notes, until=LATER)["symbol"].to_list() == ["7203"]
    assert applied_dividends(notes, until=DAY).rows() == [("7203", DAY, 40.0)]
    assert applied_dividends(notes, until=LATER)["amount"].to_list() == [7.0, 40.0]
    assert resolve_actions(notes)["kind"].to_list() == ["dividend", "dividend", "split", "dividend"]
