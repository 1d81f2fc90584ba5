"""Numbers of files are read in one way, exactly, or not at all."""

import asyncio
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.providers.file.check import describe_files
from kaboom.providers.file.provider import FileProvider, FileRules
from kaboom.providers.file.recognise.numbers import NumberRules, parse_numbers
from tests.providers.file.test_layouts import fetch

POINT, COMMA = NumberRules(), NumberRules(decimal=",")
HEAD = "Date;Open;High;Low;Close;Volume\n"


def parse(text: str, rules: NumberRules = POINT, *, power: int = 0) -> float | None:
    """Return the number of a text; None if it is refused."""
    numbers, bad = parse_numbers(pl.Series([text]), rules, power=power)
    assert bad[0] == (numbers[0] is None)
    return None if bad[0] else float(numbers[0])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2504,0", 2504.0),
        ("25,04", 25.04),
        ("2.504,5", 2504.5),
        ("2.504", 2504.0),
        ("1.234.567", 1_234_567.0),
        ("2 504,5", 2504.5),
        ("-2,5", -2.5),
        ("2504", 2504.0),
        ("2504.5", None),
        ("2,504.5", None),
        ("2,5,0,4", None),
        ("25.04", None),
        ("2.5,0.4", None),
    ],
)
def test_decimal_comma_is_read_where_it_is_set(text: str, number: float | None) -> None:
    assert parse(text, COMMA) == number


@given(st.integers(0, 10**9), st.integers(0, 99))
def test_a_number_means_the_same_in_each_spelling(whole: int, cents: int) -> None:
    plain = f"{whole}.{cents:02}"
    english = f"{whole:,}.{cents:02}"
    german = english.translate(str.maketrans(",.", ".,"))
    french = english.translate(str.maketrans(",.", "\u202f,"))
    assert parse(plain) == parse(english) == parse(german, COMMA) == parse(french, COMMA) == float(plain)
    assert parse(german) is None


@given(st.integers(0, 10**6))
def test_a_price_of_32_bits_is_the_decimal_that_was_written(tenths: int) -> None:
    numbers, _ = parse_numbers(pl.Series([tenths / 10], dtype=pl.Float32))
    assert numbers[0] == tenths / 10


@given(st.integers(0, 10**12), st.sampled_from([3, 4, 6]))
def test_thousands_of_shares_are_exact(shares: int, power: int) -> None:
    text = f"{shares // 10**power}.{shares % 10**power:0{power}}"
    assert parse(text, power=power) == shares
    typed, _ = parse_numbers(pl.Series([8353.8, None, float("nan")]), power=3)
    assert typed.to_list() == [8_353_800.0, None, None]


def test_typed_columns_hold_numbers_alone(tmp_path: Path) -> None:
    numbers, bad = parse_numbers(pl.Series([1.5, float("inf"), None]))
    assert (numbers.to_list(), bad.to_list()) == ([1.5, None, None], [False, True, False])
    days = pl.Series(["2024-11-05", "2024-11-06"]).str.to_date()
    columns = {name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")}
    pl.DataFrame({"date": days, **columns, "high": days}).write_parquet(tmp_path / "7203.parquet")
    [(_, _, facts)] = FileProvider(tmp_path).describe()
    assert [(each.line, each.column) for each in facts.refusals] == [(1, "high"), (2, "high")]


def test_the_rules_of_a_provider_say_that_commas_are_decimal(tmp_path: Path) -> None:
    row = "2024-11-05;2.504,5;2.550;2.480,0;2.504;1.234.567\n"
    (tmp_path / "7203.csv").write_text(HEAD + row)
    bars = fetch(tmp_path, "1d", FileRules(numbers=COMMA)).bars
    assert bars.row(0)[2:7] == (2504.5, 2550.0, 2480.0, 2504.0, 1_234_567.0)
    assert fetch(tmp_path, "1d").bars.row(0)[2:7] == (None,) * 5


def test_one_file_with_decimal_commas_does_not_taint_another(tmp_path: Path) -> None:
    (tmp_path / "7203.csv").write_text(HEAD + "2024-11-05;2504,5;2550,5;2480,5;2504,5;1000\n")
    (tmp_path / "9984.csv").write_text(HEAD + '2024-11-05;"2,504.5";2550.5;2480.5;2504.5;"1,000"\n')
    fetched = fetch(tmp_path, "1d")
    assert fetched.bars.filter(symbol="9984").row(0)[2:7] == (2504.5, 2550.5, 2480.5, 2504.5, 1000.0)
    assert list(fetched.outcomes) == ["7203"]


@pytest.mark.parametrize(("volume", "ticks", "is_noted"), [("0", "9", True), ("5", "9", False), ("0", "0", False)])
def test_a_volume_of_0_beside_ticks_is_noted(tmp_path: Path, volume: str, ticks: str, *, is_noted: bool) -> None:
    head = "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\n"
    (tmp_path / "7203.csv").write_text(f"{head}2024.11.05\t1\t2\t1\t2\t{ticks}\t{volume}\n")
    note = "<VOL> is 0 in every row beside <TICKVOL>: bars are stored with volume 0"
    provider = FileProvider(tmp_path)
    [described] = describe_files(provider)
    assert described["notes"] == ([note] if is_noted else [])
    assert asyncio.run(provider.fetch_left_out()) == ((f"7203.csv: {note}",) if is_noted else ())


def test_of_many_cells_that_are_no_numbers_twenty_are_named_and_the_others_counted(tmp_path: Path) -> None:
    rows = (f"2024-01-{day:02},10,12,9,{'abc' if day > 1 else 11},100\n" for day in range(1, 25))
    (tmp_path / "7203.csv").write_text("Date,Open,High,Low,Close,Volume\n" + "".join(rows))
    [described] = describe_files(FileProvider(tmp_path))
    *named, last = (refusal["message"] for refusal in described["refusals"])
    assert named == [f"7203.csv, line {n}, column Close: expected a number, found 'abc'" for n in range(3, 23)]
    assert last == "7203.csv, line 23, column Close: expected numbers (3 rows)"
