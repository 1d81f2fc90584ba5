"""The version of the code that a result names."""

from pathlib import Path

import pytest

from kaboom.backtest.study import fingerprint
from kaboom.backtest.study.fingerprint import code_version


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
