"""Trade histories of brokers: every row is a trade, is left out with its reason, or is refused by line."""

from decimal import Decimal
from pathlib import Path

import pytest

from kaboom.portfolio.broker_file import leave_out_booked, parse_history
from kaboom.portfolio.csv_file import Parsed
from kaboom.portfolio.entry import Entry, EntryKind
from kaboom.portfolio.money import format_yen
from tests.fixtures.portfolio.entries import day_of, numbered, trade

TODAY = day_of(10)
_FILES = Path(__file__).parents[1] / "fixtures" / "portfolio"
SBI, RAKUTEN, MONEX = ((_FILES / f"{name}.csv").read_text(encoding="utf-8") for name in ("sbi", "rakuten", "monex"))
SBI_HEAD = SBI.splitlines()[8]


def read(text: str) -> Parsed:
    ids = iter(range(1000))
    found = parse_history(text, lambda: f"{next(ids):032}", today=TODAY)
    assert found
    return found


def rows_of(parsed: Parsed) -> list[tuple[str, str, str, int, str, str, str]]:
    return [
        (f"{e.day}", e.kind.value, e.symbol, e.quantity, format_yen(e.price), format_yen(e.fee), e.note)
        for e in parsed.entries
    ]


def test_a_history_of_sbi_is_read_below_its_preamble() -> None:
    parsed = read(SBI)
    assert (parsed.broker, parsed.faults) == ("SBI", ())
    assert rows_of(parsed) == [
        ("2025-11-04", "buy", "7203", 200, "2841.5", "0", "SBI 特定"),
        ("2025-11-05", "sell", "7203", 1100, "2860.5", "55", "SBI 特定"),
    ]
    assert [(each.line, each.message) for each in parsed.left_out] == [
        (12, "取引 was '投信金額買付', which is no cash trade of shares"),
        (13, "取引 was '信用新規買', which is no cash trade of shares"),
    ]
    assert [parsed.lines[entry.entry_id] for entry in parsed.entries] == [10, 11]


def test_a_history_of_rakuten_is_read_newest_first() -> None:
    parsed = read(RAKUTEN)
    assert (parsed.broker, parsed.faults) == ("Rakuten", ())
    assert rows_of(parsed) == [
        ("2025-11-04", "buy", "6758", 100, "2950", "275", "Rakuten 特定"),
        ("2025-11-06", "sell", "6758", 50, "3000", "0", "Rakuten NISA成長投資枠"),
    ]
    assert [each.line for each in parsed.left_out] == [4]


def test_a_history_of_monex_has_codes_of_five_digits() -> None:
    parsed = read(MONEX)
    assert (parsed.broker, parsed.faults) == ("Monex", ())
    assert rows_of(parsed) == [
        ("2025-11-04", "buy", "7203", 100, "2841.5", "275", "Monex 特定"),
        ("2025-11-05", "sell", "471A", 200, "1500", "1234", "Monex 特定"),
    ]
    assert [(each.line, each.message.partition(",")[0]) for each in parsed.left_out] == [
        (5, "商品 取引 was 'ご入金'"),
        (6, "商品 取引 was '信用新規 半年新規買い'"),
        (7, "商品 取引 was '株式 入庫'"),
    ]
    signed = MONEX.replace(",284425,", ",-284425,").replace('"298,766"', '"+298,766"')
    assert rows_of(read(signed)) == rows_of(parsed)


def sbi(row: str) -> Parsed:
    return read(f"{SBI_HEAD}\n{row}\n")


BUY = (
    '"2025/11/04","見本","7203","東証",株式現物買,"--"," 特定 ","--",{quantity},{price},{fee},{tax},'
    '"2025/11/06",{settled}'
)


def test_what_was_settled_says_which_costs_were_paid() -> None:
    given = {"quantity": 100, "price": 1000, "fee": 500, "tax": 50}
    for settled, fee in (("100550", "550"), ("100500", "500"), ("100000", "0"), ("--", "550")):
        (entry,) = sbi(BUY.format(**given, settled=settled)).entries
        assert entry.fee == Decimal(fee)


@pytest.mark.parametrize(("settled", "fee"), [("1000", "0"), ("1001", "0.5"), ("1002", None), ("999", None)])
def test_a_mean_price_is_settled_in_whole_yen(settled: str, fee: str | None) -> None:
    parsed = sbi(BUY.format(quantity=1, price="1000.5", fee="--", tax="--", settled=settled))
    assert [format_yen(entry.fee) for entry in parsed.entries] == ([fee] if fee else [])
    assert len(parsed.faults) == (fee is None)


def test_up_to_twenty_faults_are_reported() -> None:
    row = BUY.format(quantity=0, price=1, fee=0, tax=0, settled=0)
    parsed = sbi("\n".join([row] * 30))
    assert [fault.line for fault in parsed.faults] == list(range(2, 22))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            {"settled": "101000"},
            "受渡金額/決済損益 was 101000, expected 100000 to 100550, by quantity, price and costs",
        ),
        ({"settled": "99000"}, "受渡金額/決済損益 was 99000, expected 100000 to 100550, by quantity, price and costs"),
        ({"price": '"1000,0"'}, "約定単価 was '1000,0', expected yen from 0"),
        ({"price": "--"}, "約定単価 was '--', expected yen from 0"),
        ({"quantity": "1.5"}, "約定数量 was '1.5', expected a whole number"),
        ({"quantity": '"1,00"'}, "約定数量 was '1,00', expected yen"),
        ({"fee": "free"}, "手数料/諸経費等 was 'free', expected yen from 0"),
        ({"quantity": 0, "settled": 0}, "quantity was 0, expected 1 to"),
    ],
)
def test_a_cell_that_may_be_misread_is_refused_by_line(cells: dict[str, object], message: str) -> None:
    given = {"quantity": 100, "price": 1000, "fee": 500, "tax": 50, "settled": 100550} | cells
    ((line, found),) = [(fault.line, fault.message) for fault in sbi(BUY.format(**given)).faults]
    assert (line, found[: len(message)]) == (2, message)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"2025/11/31","a","7203","東証",株式現物買,"--","特定","--",1,1,--,--,"2025/11/06",1', "day was '2025/11/31'"),
        ('"2026/11/04","a","7203","東証",株式現物買,"--","特定","--",1,1,--,--,"2025/11/06",1', "day was 2026-11-04"),
        ('"2025/11/04","a","72","東証",株式現物買,"--","特定","--",1,1,--,--,"2025/11/06",1', "symbol was '72'"),
        ('"2025/11/04","a","7203"', "the line had 3 cells, expected 14 as in the header"),
        ('"2025/11/04","a" b', "the line is no CSV"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_line(row: str, message: str) -> None:
    ((line, found),) = [(fault.line, fault.message) for fault in sbi(row).faults]
    assert (line, found[: len(message)]) == (2, message)


def test_a_symbol_of_one_day_is_bought_before_it_is_sold() -> None:
    """As brokers compute its mean price; other sells come first, since they pay for buys."""
    row = '"2025/11/04","a","{}","東証",株式現物{},"--","特定","--",100,1,--,--,"2025/11/06",100'
    text = "\n".join(row.format(*each) for each in (("7203", "売"), ("7203", "買"), ("6758", "売"), ("9984", "買")))
    assert [(e.symbol, e.kind.value) for e in sbi(text).entries] == [
        ("6758", "sell"),
        ("7203", "buy"),
        ("9984", "buy"),
        ("7203", "sell"),
    ]


def test_another_file_is_of_no_broker() -> None:
    for text in ("", "day,kind\n", SBI.replace("受渡金額/決済損益", "受渡金額"), '"約定日'):
        assert parse_history(text, lambda: "id", today=TODAY) is None


def test_as_many_equal_trades_are_left_out_as_are_kept() -> None:
    one, other = trade("buy", 100, "1000"), trade("sell", 100, "1000")
    kept = numbered(one, trade("buy", 100, "1000", fee="99"))

    def left(*new: Entry) -> list[EntryKind]:
        return [entry.kind for entry in leave_out_booked(new, kept)]

    assert left(one, one) == []
    assert left(one, one, one, other) == [EntryKind.BUY, EntryKind.SELL]
