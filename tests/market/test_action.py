"""Corporate actions: what a factor may be, and what it means."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.errors import InvalidRequest
from kaboom.market.action import ActionKind, ActionState, CorporateAction, check_factor, kind_of, parse_factor


@pytest.mark.parametrize(
    ("text", "factor", "kind"),
    [
        ("1/2", 0.5, ActionKind.SPLIT),
        ("0.333333", 1 / 3, ActionKind.SPLIT),
        ("10/11", 10 / 11, ActionKind.SPLIT),
        ("0.005", 1 / 200, ActionKind.SPLIT),
        ("10", 10.0, ActionKind.REVERSE_SPLIT),
        ("1.5", 1.5, ActionKind.REVERSE_SPLIT),
        ("0.93727", 0.93727, ActionKind.OTHER),
    ],
)
def test_a_factor_is_read_exactly_and_has_a_kind(text: str, factor: float, kind: ActionKind) -> None:
    assert parse_factor(text) == factor
    assert CorporateAction("7203", date(2025, 11, 4), factor).kind is kind


@pytest.mark.parametrize("text", ["1", "0", "-2", "nan", "inf", "1/0", "half", "", "1e-9", "1e9", "1:2"])
def test_what_is_no_factor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="factor was"):
        parse_factor(text)


@given(st.integers(1, 100), st.integers(1, 100))
def test_every_ratio_of_small_numbers_survives_six_digits(old: int, new: int) -> None:
    if old == new:
        return
    rounded = float(f"{old / new:.6g}")
    assert check_factor(rounded) == old / new
    assert kind_of(rounded) is (ActionKind.SPLIT if old < new else ActionKind.REVERSE_SPLIT)


def test_reported_and_confirmed_ones_are_applied() -> None:
    assert [state for state in ActionState if state.is_applied] == [ActionState.REPORTED, ActionState.CONFIRMED]
