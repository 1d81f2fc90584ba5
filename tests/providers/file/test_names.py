# ruff: noqa: RUF001  titles have full-width digits and brackets
"""The names that charts and terminals give to their exports say the symbol; a code of another exchange is no code."""

from pathlib import Path

import pytest

from kaboom.errors import InvalidRequest
from kaboom.providers.file.check import describe_files
from kaboom.providers.file.names import NameRules, find_titled
from kaboom.providers.file.provider import FileProvider, FileRules


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("TSE_7203, 5.csv", "7203"),
        ("TSE_DLY_7203, 1D.csv", "7203"),
        ("TSE_7203, 1D_1a2b3.csv", "7203"),
        ("TSE_DLY_285A, 240 (1).csv", "285A"),
        ("TSE_DLY_TOPIX, 1D.csv", "TOPIX"),
        ("NASDAQ_AAPL, 15.csv", "AAPL"),
        ("7203_Daily_202401040000_202412300000.csv", "7203"),
        ("7203.T_M1_202401040900_202412301525.csv", "7203"),
        ("7203_Daily_20240104_20241230.csv", "7203"),
        ("USDJPY_H1_202401040900_202412301500.csv", "USDJPY"),
        ("7203.T.csv", "7203"),
        ("bars/TSE_7203, 5.csv", "7203"),
    ],
)
def test_a_name_of_an_export_says_the_symbol(name: str, symbol: str) -> None:
    assert NameRules().find(name) == symbol


@pytest.mark.parametrize(
    "name",
    [
        *("TWSE_2330, 1D.csv", "NAG_7203, 1D.csv", "7203_6758.csv", "7203, 5, 6.csv", "x_7203, 5.csv"),
        *("1.csv", "20241105.csv", "2024-11.csv", "2024-11-05.csv", "20241101-20241130.csv", "2024.11.csv"),
    ],
)
def test_a_code_of_another_exchange_or_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="does not say which symbol it is of"):
        NameRules().find(name)


@pytest.mark.parametrize(
    ("title", "codes"),
    [
        *[
            (title, {"6758"})
            for title in ("6758", '"6758"', "6758,ソニーグループ", "6758 ソニー", "６７５８　ソニー", "ソニー(6758)")
        ],
        *[
            (title, {"6758"})
            for title in ("ソニー（東証:6758）", "銘柄コード：6758", "Symbol,6758", "TSE:6758", "Sony 6758.T daily")
        ],
        ("比較 (6758) (7203)", {"6758", "7203"}),
        *[
            (title, set())
            for title in ("2024", "1999 年間", "1000 shares", "単位,1000", "業種コード 3700", "日経平均 (2024)")
        ],
        *[(title, set()) for title in ("2024-11-05", "時系列 1234", "TOPIX 500", "(225)", "1000株", "")],
    ],
)
def test_a_title_says_a_code_and_no_other_number(title: str, codes: set[str]) -> None:
    assert find_titled(title) == codes


@pytest.mark.parametrize(
    ("name", "day", "symbol"),
    [
        ("2001.csv", "2024", "2001"),
        ("2001_2001.csv", "2001", "2001"),
        ("symbol=2001/2001.csv", "2001", "2001"),
        ("7203_2001.csv", "2001", "7203"),
        ("200012.csv", "2001", "200012"),
        ("2001.csv", "2001", None),
        ("2001 (1).csv", "2001", None),
        ("2001_daily.csv", "2001", None),
        ("200111.csv", "2001", None),
    ],
)
def test_a_name_that_is_the_year_or_month_of_all_rows_is_no_symbol(
    tmp_path: Path, name: str, day: str, symbol: str | None
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"Date,Open,High,Low,Close,Volume\n{day}-11-05,9,9,9,9,1\n{day}-11-06,9,9,9,9,1\n")
    [found] = describe_files(FileProvider(tmp_path))
    assert found["symbols"] == ([symbol] if symbol else [])
    assert ["the year or month of all its rows" in each["message"] for each in found["refusals"]] == [True][
        bool(symbol) :
    ]
    # A list of symbols says what the name is.
    told = FileProvider(tmp_path, FileRules(names=NameRules(mapping={name: "2001"})))
    assert describe_files(told)[0]["symbols"] == ["2001"]


def test_a_refused_cell_is_at_its_line_below_cells_of_several_lines(tmp_path: Path) -> None:
    rows = '2024-11-05,9,9,9,9,1,"a\nb"\n2024-11-06,9,9,9,9,1,"c\n\nd"\n2024-11-07,x,9,9,9,1,\n'
    (tmp_path / "7203.csv").write_text("Date,Open,High,Low,Close,Volume,Note\n" + rows)
    [found] = describe_files(FileProvider(tmp_path))
    assert [each["line"] for each in found["refusals"]] == [7]
