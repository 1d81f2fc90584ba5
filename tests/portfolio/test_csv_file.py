"""CSV files of entries: every wrong line is named, and nothing in them is a formula."""

import csv
import io
from dataclasses import replace

import pytest

from kaboom.errors import InvalidRequest
from kaboom.portfolio.csv_file import COLUMNS, format_csv, parse_csv
from tests.fixtures.portfolio.entries import cash, day_of, numbered, trade

HEAD = ",".join(COLUMNS) + "\n"
TODAY = day_of(0)


def faults(body: str) -> list[tuple[int, str]]:
    parsed = parse_csv(HEAD + body, lambda: "id", today=TODAY)
    return [(fault.line, fault.message) for fault in parsed.faults]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'", "\uff1d", "\uff20"])
def test_no_cell_begins_like_a_formula(start: str) -> None:
    entry = replace(cash("deposit", "1"), note=f"{start}cmd|'/c calc'!A1")
    rows = list(csv.reader(io.StringIO(format_csv(numbered(entry)), newline="")))
    assert rows[1][-1] == f"'{start}cmd|'/c calc'!A1"


def test_what_was_taken_back_is_not_exported() -> None:
    first, second = numbered(cash("deposit", "1"), cash("deposit", "2"))
    reversal = replace(first, entry_id="r", reverses=first.entry_id, place=3)
    assert format_csv([first, second, reversal]).splitlines() == [HEAD.strip(), "2025-11-04,deposit,,,,,2,"]


def test_a_file_of_a_spreadsheet_is_read() -> None:
    head = "\ufeffnote,day,kind,symbol,quantity,price,fee,amount\r\n"
    text = f'{head}"first, buy",2025-11-04,buy,\uff17\uff12\uff10\uff13,100,2841.5,,\r\n'
    parsed = parse_csv(text, lambda: "id", today=TODAY)
    assert parsed.faults == ()
    assert list(parsed.entries) == [replace(trade("buy", 100, "2841.5"), entry_id="id", note="first, buy")]


@pytest.mark.parametrize("day", ["2025-11-04", "2025/11/4", "2025/11/04"])
def test_a_day_is_read_as_a_spreadsheet_saves_it(day: str) -> None:
    (entry,) = parse_csv(f"{HEAD}{day},deposit,,,,,1,\n", lambda: "id", today=TODAY).entries
    assert entry.day == day_of(0)


@pytest.mark.parametrize("day", ["2025/2/30", "25/11/4", "11/4/2025", "2025/11/4 9:00"])
def test_a_day_that_cannot_be_or_is_not_clear_is_refused(day: str) -> None:
    assert faults(f"{day},deposit,,,,,1,\n") == [(2, f"day was {day!r}, expected YYYY-MM-DD")]


@pytest.mark.parametrize(
    "price",
    ['"2504,0"', '"25,04"', '"2.504,5"', '"2,504"', "2.504.000", "2 504", "\uff12\uff15\uff10\uff14", "2504円", "1e3"],
)
def test_a_price_that_may_be_misread_is_refused_by_line(price: str) -> None:
    [(line, message)] = faults(f"2025-11-04,buy,7203,100,{price},,,\n")
    assert (line, message.partition(",")[0]) == (2, f"price was {price.strip(chr(34))!r}".partition(",")[0])
    assert faults(f"2025-11-04,buy,7203,{price},1,,,\n")[0][0] == 2


def test_every_wrong_line_is_named() -> None:
    body = (
        "2025-11-04,deposit,,,,,1000,\n"
        "2025-11-05,deposit,,,,,1000,\n"
        "4.11.2025,deposit,,,,,1000,\n"
        "2025-11-04,gift,,,,,1000,\n"
        "2025-11-04,buy,,100,1,,,\n"
        "2025-11-04,buy,TOYOTA,100,1,,,\n"
        "2025-11-04,buy,7203,1e2,1,,,\n"
        "2025-11-04,buy,7203,100,1,,100,\n"
        "2025-11-04,deposit,,,,5,1000,\n"
        "2025-11-04,deposit,,,,,,\n"
        "2025-11-04,deposit,,,,,1\n"
        "2025-11-04,deposit,,,,,1,,\n"
    )
    assert faults(body) == [
        (3, "day was 2025-11-05, expected 1990-01-01 to 2025-11-04, today in Japan"),
        (4, "day was '4.11.2025', expected YYYY-MM-DD"),
        (
            5,
            "kind was 'gift', expected one of buy, sell, deposit, withdrawal, dividend, interest, fraction, fee, tax",
        ),
        (6, "symbol of a buy was '', expected a symbol"),
        (7, "symbol was 'TOYOTA', expected a TSE local code such as '7203' or '285A'"),
        (8, "quantity was '1e2', expected a whole number"),
        (9, "amount of a buy was '100', expected none"),
        (10, "fee of a deposit was '5', expected none"),
        (11, "amount was '', expected yen from 0 to 10000000000000 with at most 4 digits after the point"),
        (12, "the line had another number of cells than the header, expected 8"),
        (13, "the line had another number of cells than the header, expected 8"),
    ]


def test_only_the_first_faults_are_named() -> None:
    assert len(faults("x,,,,,,,\n" * 50)) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the header was ''"),
        ("day,kind\n", "the header was 'day,kind', expected day,kind,symbol"),
        (HEAD, "the file had no entry"),
    ],
)
def test_a_file_without_entries_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_csv(text, lambda: "id", today=TODAY)


def test_a_quote_that_does_not_end_is_named() -> None:
    assert faults('2025-11-04,deposit,,,,,1,"open') == [(2, "the line is no CSV: unexpected end of data")]
