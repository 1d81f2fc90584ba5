"""The version of the code that a result names, and the fingerprint of its bars."""

from pathlib import Path

import pytest

from kaboom.backtest.panel import Listings, Panel
from kaboom.backtest.request import BarsAsked
from kaboom.backtest.study import fingerprint
from kaboom.backtest.study.bars import StudyBars
from kaboom.backtest.study.fingerprint import code_version, fingerprint_of
from tests.fixtures.backtest.panels import flat, panel_of, splits


@pytest.mark.parametrize(("name", "versions"), [("fills.py", 2), ("routes.py", 1), ("tasks.py", 1)])
def test_only_code_that_figures_depend_on_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, versions: int
) -> None:
    (tmp_path / "backtest/study").mkdir(parents=True)
    file = tmp_path / "backtest" / name
    monkeypatch.setattr(fingerprint, "__file__", str(tmp_path / "backtest/study/fingerprint.py"))
    seen = set()
    for text in ("a = 1", "a = 2"):
        file.write_text(text)
        code_version.cache_clear()
        seen.add(code_version())
    code_version.cache_clear()
    assert len(seen) == versions


def test_bars_a_split_and_a_benchmark_change_the_fingerprint() -> None:
    def of(panel: Panel, benchmark: Panel | None = None) -> str:
        asked = BarsAsked(symbols=("7203",), provider="synthetic")
        return fingerprint_of(StudyBars(asked, panel, benchmark, False, (), (), (), {}))  # noqa: FBT003

    bars = [flat(price) for price in (100, 100, 50)]
    plain, split = panel_of(*bars), panel_of(*bars, listings=Listings(splits=splits(("7203", 2, 0.5))))
    assert of(plain) == of(panel_of(*bars))
    assert len({of(plain), of(split), of(plain, plain), of(panel_of(*bars[:2], flat(51)))}) == 4
