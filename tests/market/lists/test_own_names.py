"""Names from the user's files are kept and found, behind those of the lists."""

from datetime import date
from pathlib import Path

import pytest

from kaboom.errors import StoreDamaged
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.own_names import keep_names, load_own
from kaboom.market.lists.universe import Universe

DAY = date(2025, 11, 4)
LISTED = Universe(Market.TSE_PRIME, DAY, "a list", (Listing("7203", "トヨタ自動車", Market.TSE_PRIME, "", ""),))


def test_a_name_is_kept_beside_others_and_the_later_one_counts(tmp_path: Path) -> None:
    keep_names({"SPY": "An old name", "9999": "架空商事"}, tmp_path / "symbols")
    keep_names({"SPY": "SPDR S&P 500"}, tmp_path / "symbols")
    own = load_own(tmp_path / "symbols", DAY, [])
    assert [(each.symbol, each.name, each.name_en) for each in own.listings] == [
        ("9999", "架空商事", ""),
        ("SPY", "SPDR S&P 500", "SPDR S&P 500"),
    ]


def test_a_name_of_a_list_wins(tmp_path: Path) -> None:
    keep_names({"7203": "another", "SPY": "SPDR"}, tmp_path)
    assert load_own(tmp_path, DAY, [LISTED]).symbols == ("SPY",)


def test_without_own_files_there_is_no_name(tmp_path: Path) -> None:
    keep_names({}, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert load_own(tmp_path / "none", DAY, []).symbols == ()


def test_damaged_names_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "names_of_files.json").write_text('{"SPY": ')
    with pytest.raises(StoreDamaged, match=r"names_of_files\.json are damaged: .*; repair it with `rm "):
        load_own(tmp_path, DAY, [])
