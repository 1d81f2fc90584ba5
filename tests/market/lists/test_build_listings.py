# ruff: noqa: RUF001  JPX writes full-width brackets
"""The shipped symbol lists are what their script builds from its sources."""

from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from kaboom.market.listing import Listing, Market
from kaboom.market.lists.snapshot import Snapshot
from tests.market.lists.build_listings import add_english_names, build_listings, find_delisted

EDINET = """ダウンロード実行日,2026年10月05日現在
上場区分,提出者名,証券コード
上場,トヨタ自動車株式会社,72030
上場,株式会社　新名,
非上場,株式会社去,11110
"""


def listed(symbol: str, name: str) -> Listing:
    return Listing(symbol, name, Market.TSE_PRIME, "", "")


def test_the_shipped_files_are_what_the_script_builds(tmp_path: Path) -> None:
    shipped = files("kaboom.market") / "data"
    built = build_listings(tmp_path)
    assert [path.name for path in built] == ["listings_2024-03-29.csv", "delisted_2026-10-05.csv"]
    for path in built:
        assert path.read_bytes() == (shipped / path.name).read_bytes()


def test_english_names_are_those_of_edinet_by_code() -> None:
    edinet = "a list\n証券コード,提出者名（英字）\n72030,TOYOTA　MOTOR\n,NOBODY\n"
    named = add_english_names(
        Snapshot(date(2024, 3, 29), "x", (listed("7203", "a"), listed("1111", "b"))), edinet=edinet
    )
    assert [listing.name_en for listing in named.listings] == ["TOYOTA MOTOR", ""]


def test_a_company_missing_from_edinet_is_delisted() -> None:
    listings = (
        listed("7203", "トヨタ自動車"),
        listed("1111", "去"),
        listed("2222", "新名"),
        listed("3333", "消"),
        listed("1773", "外"),
    )
    rows: list[dict[str, Any]] = [
        {
            "コード": s.symbol,
            "市場・商品区分": "プライム（外国株式）" if s.symbol == "1773" else "プライム（内国株式）",
        }
        for s in listings
    ]
    gone = find_delisted(Snapshot(date(2024, 3, 29), "x", listings), rows, edinet=EDINET)
    assert [listing.symbol for listing in gone] == ["1111", "3333"]
