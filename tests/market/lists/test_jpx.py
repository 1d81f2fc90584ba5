# ruff: noqa: RUF001  JPX writes full-width brackets
"""JPX's list of issues is imported in every format, or refused whole."""

import zipfile
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import xlwt  # type: ignore[import-untyped]

from kaboom.errors import InvalidRequest
from kaboom.market.lists import jpx
from kaboom.market.lists.master import MasterReport
from kaboom.market.lists.universe import Market, load_universe


def import_listings(file: Path, into: Path) -> MasterReport:
    """Import a list of which all the rest is missing."""
    return jpx.import_listings(file, into, most_lost_percent=100)


HEAD = [
    "日付",
    "コード",
    "銘柄名",
    "市場・商品区分",
    "33業種コード",
    "33業種区分",
    "17業種コード",
    "17業種区分",
    "規模コード",
    "規模区分",
]
AS_OF = date(2026, 10, 30)


def row(code: Any, name: str, segment: str, scale: str = "-", day: Any = 20261030) -> list[Any]:
    return [day, code, name, segment, 3700, "輸送用機器", 6, "自動車・輸送機", "-", scale]


ROWS = [
    row(7203, "トヨタ自動車", "プライム（内国株式）", "TOPIX Core30"),
    row("130A", "Ｖｅｒｉｔａｓ　Ｉｎ　Ｓｉｌｉｃｏ", "グロース（内国株式）"),
    row(1773, "ワイ・ティー・エル", "プライム（外国株式）"),
    row(25935, "伊藤園 優先株式", "プライム（内国株式）"),
    row(1305, "ある上場投信", "ETF・ETN"),
    row("131A", "ＣＣＮグループ", "PRO Market"),
    row(8301, "日本銀行", "出資証券"),
    row(1301, "極洋, 株式会社", "スタンダード（内国株式）", "TOPIX Small 2"),
]


def write_xls(path: Path, rows: list[list[Any]]) -> Path:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet1")
    for y, cells in enumerate(rows):
        for x, cell in enumerate(cells):
            sheet.write(y, x, cell)
    book.save(str(path))
    return path


def write_xlsx(path: Path, rows: list[list[Any]]) -> Path:
    def cell_xml(cell: Any) -> str:
        if isinstance(cell, int):
            return f"<c><v>{cell}</v></c>"
        return f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>'

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"

    def links(kind: str, target: str) -> str:
        link = f'<Relationship Id="rId1" Type="{office}/{kind}" Target="{target}"/>'
        return f'<Relationships xmlns="{package}/relationships">{link}</Relationships>'

    sheet = '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets>'
    types = '<Default Extension="xml" ContentType="application/xml"/>'
    body = "".join(f"<row>{''.join(map(cell_xml, cells))}</row>" for cells in rows)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">{types}</Types>',
        "_rels/.rels": links("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">{sheet}</workbook>',
        "xl/_rels/workbook.xml.rels": links("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return path


def write_csv(path: Path, rows: list[list[Any]], encoding: str) -> Path:
    lines = (",".join(f'"{cell}"' if "," in str(cell) else str(cell) for cell in cells) for cells in rows)
    path.write_text("\r\n".join(lines), encoding=encoding)
    return path


def write(kind: str, folder: Path, rows: list[list[Any]]) -> Path:
    table = [HEAD, *rows]
    if kind == "xls":
        return write_xls(folder / "data_j.xls", table)
    if kind == "xlsx":
        return write_xlsx(folder / "data_j.xlsx", table)
    return write_csv(folder / "data_j.csv", table, kind)


@pytest.mark.parametrize("kind", ["xls", "xlsx", "utf-8", "utf-8-sig", "cp932"])
def test_the_list_is_read_in_every_format(tmp_path: Path, kind: str) -> None:
    into = tmp_path / "imported"
    summary = import_listings(write(kind, tmp_path, ROWS), into)
    assert summary.snapshot.as_of == AS_OF
    assert dict(summary.counts) == {Market.TSE_PRIME: 2, Market.TSE_STANDARD: 1, Market.TSE_GROWTH: 1}
    prime = load_universe(Market.TSE_PRIME, AS_OF, imported_dir=into)
    assert prime.symbols == ("1773", "7203")
    assert prime.topix500 == {"7203"}
    assert prime.as_of == AS_OF
    assert "data_j" in prime.source
    growth = load_universe(Market.TSE_GROWTH, AS_OF, imported_dir=into)
    assert [(s.symbol, s.name, s.scale) for s in growth.listings] == [("130A", "Veritas In Silico", "")]
    standard = load_universe(Market.TSE_STANDARD, AS_OF, imported_dir=into)
    assert standard.listings[0].name == "極洋, 株式会社"


def test_a_second_import_of_a_date_replaces_the_first_and_leaves_no_draft(tmp_path: Path) -> None:
    into = tmp_path / "imported"
    import_listings(write("xls", tmp_path, ROWS), into)
    summary = import_listings(write("xls", tmp_path, ROWS[:1]), into)
    names = sorted(path.name for path in into.iterdir())
    assert names[0] == "listings_2026-10-30.csv"
    # The first is kept for questions of an earlier moment.
    assert [name.endswith(".replaced") for name in names] == [False, True]
    assert summary.path == into / "listings_2026-10-30.csv"
    assert load_universe(Market.TSE_PRIME, AS_OF, imported_dir=into).symbols == ("7203",)


@pytest.mark.parametrize("day", ["2026/10/30", "2026-10-30", "20261030"])
def test_a_date_may_be_written_in_three_ways(tmp_path: Path, day: str) -> None:
    file = write("utf-8", tmp_path, [row(7203, "x", "プライム（内国株式）", day=day)])
    assert import_listings(file, tmp_path / "imported").snapshot.as_of == AS_OF


PRIME = "プライム（内国株式）"


@pytest.mark.parametrize("day", ["2027/1/11", "2027-1-11"])
def test_a_date_without_zeros_is_the_day_it_says(tmp_path: Path, day: str) -> None:
    file = write("utf-8", tmp_path, [row(7203, "x", PRIME, day=day)])
    assert import_listings(file, tmp_path / "imported").snapshot.as_of == date(2027, 1, 11)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("72O3", "x", PRIME)], "symbol was '72O3'"),
        ([row(7203, "x", PRIME, day="soon")], "日付 was 'soon'"),
        ([row(7203, "x", PRIME, day="2027111")], "日付 was '2027111'"),
        ([row(7203, "x", PRIME), row(7203, "y", PRIME)], "7203 was repeated"),
        ([row(7203, "x", PRIME), row(7204, "y", PRIME, day=20261031)], "under 2 dates"),
        ([row(1305, "x", "ETF・ETN")], "had 0 shares"),
        ([], "had 0 shares"),
    ],
)
def test_a_bad_list_is_refused_and_nothing_is_kept(tmp_path: Path, rows: list[list[Any]], message: str) -> None:
    into = tmp_path / "imported"
    with pytest.raises(InvalidRequest, match=message):
        import_listings(write("xls", tmp_path, rows), into)
    assert not into.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("other.csv", b"a,b\n1,2\n", "lacks the columns"),
        ("empty.csv", b"", "lacks the columns"),
        ("bytes.csv", b"\x81\xff\xfe\x00", "neither UTF-8 nor CP932"),
        ("page.xls", b"<html>404</html>", "not a workbook"),
        ("cut.xlsx", b"PK\x03\x04", "not a workbook"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRequest, match=message) as caught:
        import_listings(tmp_path / name, tmp_path / "imported")
    assert name in caught.value.message


def test_a_missing_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is not a file"):
        import_listings(tmp_path / "none.xls", tmp_path)
    with (tmp_path / "huge.csv").open("wb") as huge:
        huge.truncate(20_000_001)
    with pytest.raises(InvalidRequest, match="expected at most"):
        import_listings(tmp_path / "huge.csv", tmp_path)


@pytest.mark.parametrize("kind", ["xls", "xlsx"])
def test_empty_rows_above_and_within_a_workbook_are_passed_over(tmp_path: Path, kind: str) -> None:
    write = write_xls if kind == "xls" else write_xlsx
    blank = [""] * len(HEAD)
    file = write(tmp_path / f"data_j.{kind}", [blank, blank, HEAD, *ROWS[:1], blank, *ROWS[1:]])
    report = import_listings(file, tmp_path / "symbols")
    assert [each.symbol for each in report.snapshot.listings] == ["1301", "130A", "1773", "7203"]


def test_a_row_of_a_csv_may_have_more_cells_than_the_head(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "data_j.csv", [HEAD, [*ROWS[0], ""], *ROWS[1:]], "utf-8")
    report = import_listings(file, tmp_path / "symbols")
    assert [each.symbol for each in report.snapshot.listings] == ["1301", "130A", "1773", "7203"]
