"""The 33 sectors are those that JPX's list names."""

from kaboom.market.indices import SECTORS, sector_of
from kaboom.market.lists.snapshot import load_snapshots


def test_the_shipped_list_names_exactly_the_33_sectors() -> None:
    named = {listing.sector33 for snapshot in load_snapshots() for listing in snapshot.listings}
    assert named == {sector.ja for sector in SECTORS}


def test_codes_are_distinct_and_sorted() -> None:
    codes = [sector.code for sector in SECTORS]
    assert codes == sorted(set(codes))
    assert len(codes) == 33
    assert all(len(code) == 4 and code.isdigit() for code in codes)


def test_an_unknown_name_has_no_code() -> None:
    assert (sector_of("銀行業").code, sector_of("Banks").code, sector_of("").code) == ("7050", "", "")
