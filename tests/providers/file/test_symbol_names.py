"""The names of symbols in a column of a file."""

import asyncio
from pathlib import Path

import pytest

from kaboom.providers.file.provider import FileProvider

PRICES = "1,2,1,2,3"


def write(folder: Path, name: str, header: str, *cells: str) -> None:
    rows = "".join(f"2024-11-0{5 + n},{each},{PRICES}\n" for n, each in enumerate(cells))
    (folder / name).write_text(f"Date,{header},Open,High,Low,Close,Volume\n{rows}")


def names(folder: Path) -> dict[str, str]:
    return dict(asyncio.run(FileProvider(folder).fetch_names()))


@pytest.mark.parametrize("header", ["銘柄名", "会社名", "Name", "Company Name", "company"])
def test_a_file_of_one_symbol_names_it(tmp_path: Path, header: str) -> None:
    write(tmp_path, "SPY.csv", header, "SPDR  S&P 500", "SPDR S&P 500 ")
    assert names(tmp_path) == {"SPY": "SPDR S&P 500"}


@pytest.mark.parametrize("header", ["Code,銘柄名", "コード,銘柄"])
def test_each_symbol_of_a_file_has_its_last_name(tmp_path: Path, header: str) -> None:
    write(tmp_path, "all.csv", header, "9999,旧商事", "9998,第二工業", "9999,架空\u3000商事")
    assert names(tmp_path) == {"9999": "架空 商事", "9998": "第二工業"}


def test_a_mark_an_empty_cell_or_the_code_is_no_name(tmp_path: Path) -> None:
    write(tmp_path, "all.csv", "Code,Name", "9999,-", "9998,", "ZZTOP,ZZTOP", "9997,7")
    assert names(tmp_path) == {}
    write(tmp_path, "SPY.csv", "Name", "x" * 200)
    assert names(tmp_path) == {"SPY": "x" * 100}


def test_a_row_that_has_only_a_name_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "SPY.csv").write_text(f"Date,Name,Open,High,Low,Close,Volume\n,SPDR,,,,,\n2024-11-05,SPDR,{PRICES}\n")
    [(_, _, facts)] = FileProvider(tmp_path).describe()
    assert (facts.rows, facts.refusals, facts.names) == (1, (), {"SPY": "SPDR"})
