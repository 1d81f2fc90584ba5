"""The page on indicators and their table say the same."""

import re

from kaboom.indicators.table import MAX_INDICATORS, Indicator, IndicatorSpec, default_text, indicator_specs
from tests.fixtures.repo.repository import load_text

PAGE = load_text("docs/reference/indicators.md")
ROWS = re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*?) \| (\d+) \| (.*?) \|$", PAGE, re.MULTILINE)


def row_of(spec: IndicatorSpec) -> tuple[str, ...]:
    """Return what the page should say."""
    bounds = ", ".join(f"{p.name} {p.least:g} to {p.most:g}" for p in spec.parameters) or "none"
    outputs = ", ".join(f"`{name}`" if name else "itself" for name in spec.outputs) if spec.outputs != ("",) else "one"
    return default_text(spec), bounds, outputs, str(spec.lookback(spec.defaults)), spec.title


def test_every_indicator_has_its_row() -> None:
    assert [row_of(spec) for spec in indicator_specs()] == ROWS


def test_the_example_has_the_columns_that_it_says() -> None:
    (macd,) = (spec for spec in indicator_specs() if spec.name == "macd")
    for column in Indicator(macd, (5, *macd.defaults[1:])).columns:
        assert f"`{column}`" in PAGE


def test_the_page_says_how_many_at_most() -> None:
    assert f"At most {MAX_INDICATORS} at once." in PAGE
