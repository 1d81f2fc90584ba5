"""The vertical scale of the charts of a report."""

import pytest

from kaboom.backtest.report.charts import TOP, Scale


def test_high_values_are_above_low_ones() -> None:
    scale = Scale.of(0.0, 100.0, 200)
    assert scale.y(100.0) == TOP
    assert scale.y(0.0) > scale.y(50.0) > scale.y(100.0)
    assert scale.y(50.0) == pytest.approx((scale.y(0.0) + scale.y(100.0)) / 2)
    assert scale.y(0.0) < 200


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 100.0, (0.0, 100.0, 25.0)),
        (-3.0, 97.0, (-25.0, 100.0, 25.0)),
        (0.91, 1.12, (0.9, 1.2, 0.1)),
        (1_000.0, 1_000.0, (1_000.0, 1_250.0, 250.0)),
        (0.0, 0.0, (0.0, 0.25, 0.25)),
    ],
)
def test_a_scale_has_round_steps_and_holds_its_values(
    low: float, high: float, expected: tuple[float, float, float]
) -> None:
    scale = Scale.of(low, high, 200)
    assert (scale.low, scale.high, scale.step) == pytest.approx(expected)
    assert scale.low <= low <= high <= scale.high


def test_each_step_of_a_scale_has_a_line_and_its_number() -> None:
    axis = Scale.of(0.91, 1.12, 200).axis()
    assert [axis.count(f">{text}<") for text in ("0.9", "1.0", "1.1", "1.2")] == [1, 1, 1, 1]
