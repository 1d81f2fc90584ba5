"""A workbook that wants more than a list of issues has is refused; the process that asked goes on."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaboom.errors import InvalidRequest
from kaboom.market.lists.jpx import read_rows

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOC = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_TYPES}">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SHEET}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_RELS}">'
    f'<Relationship Id="r1" Type="{_DOC}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOC}">'
    '<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELS}">'
    f'<Relationship Id="r1" Type="{_DOC}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
_DIMENSION = '<dimension ref="A1:XFD1048576"/>'


def write_book(folder: Path, rows: str | Iterator[str], dimension: str = "") -> Path:
    """Write a workbook of one sheet."""
    file = folder / "data_j.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, text in _PARTS.items():
            parts.writestr(name, _HEAD + text)
        with parts.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'{_HEAD}<worksheet xmlns="{_MAIN}">{dimension}<sheetData>'.encode())
            for text in rows:
                sheet.write(text.encode())
            sheet.write(b"</sheetData></worksheet>")
    return file


def cell(place: str, text: str = "x") -> str:
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>'


def refusal(file: Path) -> str:
    assert file.stat().st_size < 2_000_000
    with pytest.raises(InvalidRequest) as caught:
        read_rows(file)
    return caught.value.message


@pytest.mark.parametrize("dimension", ["", _DIMENSION], ids=["no dimension", "dimension"])
@pytest.mark.parametrize("last", ["XFD1048576", "A1048576", "XFD1", "CX1", "A50002"])
def test_a_sheet_with_a_cell_far_away_is_refused(tmp_path: Path, last: str, dimension: str) -> None:
    file = write_book(tmp_path, cell("A1") + cell(last), dimension)
    assert "data_j.xlsx could not be read with 1,024 MiB of memory" in refusal(file)


def test_a_dimension_alone_does_no_harm(tmp_path: Path) -> None:
    assert "lacks the columns" in refusal(write_book(tmp_path, cell("A1"), _DIMENSION))


def test_a_part_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    text = (cell("A1", "A" * (1 << 20)) for _ in range(220))
    assert "bytes unpacked, expected at most 200,000,000" in refusal(write_book(tmp_path, text))


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    file = write_book(tmp_path, (cell("A1", "A" * (1 << 20)) for _ in range(220)))
    with zipfile.ZipFile(file) as parts:
        size = parts.getinfo("xl/worksheets/sheet1.xml").file_size
    lying = file.read_bytes().replace(size.to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    file.write_bytes(lying)
    assert "data_j.xlsx" in refusal(file)


def test_a_zip_in_a_zip_is_no_workbook(tmp_path: Path) -> None:
    inner = write_book(tmp_path, cell("A1"))
    outer = tmp_path / "outer.xlsx"
    with zipfile.ZipFile(outer, "w") as parts:
        parts.write(inner, "data_j.xlsx")
    assert "outer.xlsx is not a workbook" in refusal(outer)


@pytest.mark.parametrize("cut", [0.2, 0.9, 0.999])
def test_a_cut_workbook_is_refused(tmp_path: Path, cut: float) -> None:
    file = write_book(tmp_path, cell("A1"))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * cut)])
    assert "data_j.xlsx is not a workbook" in refusal(file)


def test_a_csv_of_empty_lines_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "data_j.csv"
    file.write_bytes(b"\n" * 60_000)
    assert "more than 50,000 lines" in refusal(file)


def test_a_reader_in_the_users_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python_calamine.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "lacks the columns" in refusal(write_book(tmp_path, cell("A1")))
