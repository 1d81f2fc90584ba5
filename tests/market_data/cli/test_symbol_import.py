"""`kaboom symbols import`: what a list brought, and that a part of one is not swallowed."""

from pathlib import Path
from typing import Any, cast

import pytest

from kaboom.cli.exits import Exit
from kaboom.market.lists.snapshot import load_snapshots
from tests.fixtures.cli import Done, Kaboom

PACKAGED = list(load_snapshots())[-1]
_SEGMENTS = {"TSE_PRIME": "プライム", "TSE_STANDARD": "スタンダード", "TSE_GROWTH": "グロース"}


@pytest.fixture
def shell(kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """A command line on an empty data folder."""
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    return kaboom


def write_list(folder: Path, *, without: int) -> Path:
    """Write the shipped list as JPX would a year later, without its first issues."""
    rows = [f"20260930,{s.symbol},x,{_SEGMENTS[s.market]}(内国株式),-,-" for s in PACKAGED.listings[without:]]
    file = folder / "data_j.csv"
    file.write_text("\n".join(["日付,コード,銘柄名,市場・商品区分,33業種区分,規模区分", *rows]), encoding="utf-8")
    return file


def data(done: Done) -> Any:
    assert done.code == 0, done.err
    return cast("Any", done.json)


def test_an_import_tells_what_has_changed(shell: Kaboom, tmp_path: Path) -> None:
    told = data(shell("symbols", "import", str(write_list(tmp_path, without=3)), "--json"))
    assert (told["as_of"], told["previous"]) == ("2026-09-30", PACKAGED.as_of.isoformat())
    assert sum(told["markets"].values()) == len(PACKAGED.listings) - 3
    assert [row["symbol"] for row in told["changes"]["delisted"]["first"]] == [s.symbol for s in PACKAGED.listings[:3]]
    assert Path(told["path"]).is_file()
    again = shell("symbols", "import", str(write_list(tmp_path, without=3)))
    assert "delisted            3" in again.out


def test_a_part_of_a_list_is_refused_unless_it_is_asked_for(shell: Kaboom, tmp_path: Path) -> None:
    file = str(write_list(tmp_path, without=400))
    refused = shell("symbols", "import", file)
    assert (refused.code, refused.out) == (Exit.CONFLICT, "")
    assert "expected at most 5 %: it was not imported" in refused.err
    assert not list((tmp_path / "data").glob("symbols/*"))
    assert shell("symbols", "import", file, "--most-lost", "100").code == 0
