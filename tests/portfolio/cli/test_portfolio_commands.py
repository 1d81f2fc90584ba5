"""`kaboom portfolio` against a real API: from an empty portfolio to a file and back."""

from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from orjson import dumps, loads

from kaboom.cli.exits import Exit
from kaboom.portfolio.views import ValuationView
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted


@pytest.fixture
def name(at_live: Kaboom) -> str:
    """A portfolio with cash and 200 shares."""
    name = f"日本株 {uuid4().hex[:6]}"
    assert at_live("portfolio", "create", name).code == 0
    day = ("--day", "2025-11-04")
    assert at_live("portfolio", "cash", name, "deposit", "1000000", *day).code == 0
    assert at_live("portfolio", "trade", name, "buy", "7203", "200", "2841.5", "--fee", "275", *day).code == 0
    return name


def test_a_trade_is_shown_as_it_was_booked(at_live: Kaboom, name: str) -> None:
    done = at_live("portfolio", "trade", name, "sell", "7203", "100", "2,860", "--day", "2025-11-05")
    assert (done.code, "price was '2,860'" in done.err) == (Exit.USAGE, True)
    done = at_live("portfolio", "trade", name, "sell", "7203", "100", "2860", "--day", "2025-11-05", "--note", "half")
    assert done.code == 0
    for word in ("2025-11-05", "sell", "7203", "286,000", "half"):
        assert word in done.out
    assert "booked as " in done.err
    listed = loads(at_live("portfolio", "trades", name, "--json").out)
    assert [entry["kind"] for entry in listed["items"]] == ["sell", "buy"]


def test_a_portfolio_is_shown_with_what_is_not_known(at_live: Kaboom, name: str) -> None:
    done = at_live("portfolio", "show", name)
    assert done.code == 0
    assert "cash 431,425 yen · positions unknown yen" in done.out
    assert "no close is stored of 7203" in done.err
    assert name in at_live("portfolio", "list").out


@pytest.mark.parametrize(("is_final", "is_doubted"), [(True, False), (False, True), (None, True)])
def test_a_close_that_may_change_is_reported(
    kaboom: Kaboom, scripted: Scripted, *, is_final: bool | None, is_doubted: bool
) -> None:
    (item,) = example_of(ValuationView)["items"]
    held = example_of(ValuationView) | {"items": [item | {"price": item["price"] | {"is_final": is_final}}]}
    scripted.answers += [(200, dumps({"items": [{"id": "0" * 32, "name": "a"}]})), (200, dumps(held))]
    assert ("may still change" in kaboom("portfolio", "show", "a").err) is is_doubted


def test_messages_are_in_japanese(at_live: Kaboom, name: str) -> None:
    shown = at_live("--lang", "ja", "portfolio", "show", name)
    assert "現金431,425円・評価額不明円" in shown.out
    short = at_live("--lang", "ja", "portfolio", "trade", name, "sell", "7203", "300", "1", "--day", "2025-11-05")
    assert short.code == Exit.CONFLICT
    assert "2025-11-05に 7203 の保有が足りません。売却300株に対して保有は200株です" in short.err
    assert "買付 buy" in at_live("--lang", "ja", "portfolio", "trades", name).out


def test_an_entry_is_taken_back(at_live: Kaboom, name: str) -> None:
    (bought,) = loads(at_live("portfolio", "trades", name, "--json").out)["items"]
    assert at_live("portfolio", "reverse", name, bought["id"], "--note", "typed twice").code == 0
    assert bought["id"] in at_live("portfolio", "trades", name).out
    assert at_live("portfolio", "reverse", name, bought["id"]).code == Exit.CONFLICT
    assert loads(at_live("portfolio", "show", name, "--json").out)["cash"] == "1000000"


def test_a_key_books_once(at_live: Kaboom, name: str) -> None:
    tax = ("portfolio", "cash", name, "tax", "100", "--day", "2025-11-05", "--key")
    key = uuid4().hex
    assert [at_live(*tax, key).code for _ in range(2)] == [0, 0]
    found = loads(at_live("portfolio", "movements", name, "--json").out)
    assert [entry["kind"] for entry in found["items"]] == ["tax", "deposit"]
    done = at_live(*tax, "鍵")
    assert (done.code, "Idempotency-Key" in done.err) == (Exit.USAGE, True)


def test_a_file_goes_out_and_in(at_live: Kaboom, name: str, tmp_path: Path) -> None:
    file, other = tmp_path / "out.csv", f"{name} 2"
    assert at_live("portfolio", "export", name, "--out", str(file)).code == 0
    assert at_live("portfolio", "export", name).out == file.read_bytes().decode()
    assert at_live("portfolio", "create", other, "--lot", "1").code == 0
    done = at_live("portfolio", "import", other, str(file))
    assert (done.code, done.err) == (0, "2 entries booked\n")
    first, second = [loads(at_live("portfolio", "show", each, "--json").out) for each in (name, other)]
    assert first == second


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_file_is_read_as_excel_saves_it(at_live: Kaboom, name: str, tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "in.csv"
    row = "2025-11-04,deposit,,,,,5000,①髙島さんの給与\r\n"
    file.write_bytes(f"day,kind,symbol,quantity,price,fee,amount,note\r\n{row}".encode(encoding))
    assert at_live("portfolio", "import", name, str(file)).code == 0
    noted = [entry["note"] for entry in loads(at_live("portfolio", "movements", name, "--json").out)["items"]]
    assert noted == ["①髙島さんの給与", ""]


def test_all_wrong_lines_of_a_file_are_reported(at_live: Kaboom, name: str, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("day,kind,symbol,quantity,price,fee,amount,note\nx,buy,,,,,,\n2025-11-04,gift,,,,,,\n")
    done = at_live("portfolio", "import", name, str(file))
    assert done.code == Exit.USAGE
    assert "#/csv/2: day was 'x', expected YYYY-MM-DD\n  #/csv/3: kind was 'gift'" in done.err
    assert loads(at_live("portfolio", "movements", name, "--json").out)["cash"] == "431425"
    file.write_bytes(b"\xff")
    assert at_live("portfolio", "import", name, str(file)).code == Exit.USAGE
    assert at_live("portfolio", "import", name, str(tmp_path / "none.csv")).code == Exit.USAGE
    assert at_live("portfolio", "export", name, "--out", str(tmp_path / "no" / "file.csv")).code == Exit.USAGE


def test_an_unknown_portfolio_is_not_found(at_live: Kaboom, name: str) -> None:
    done = at_live("portfolio", "show", "nothing")
    assert done.code == Exit.NOT_FOUND
    assert "no portfolio nothing; there are: " in done.err


def test_a_portfolio_is_renamed_and_deleted(at_live: Kaboom, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert at_live("portfolio", "dividends", name).err.strip() == "dividends booked: 0"
    assert f"its name is {name}-2 now" in at_live("portfolio", "rename", name, f"{name}-2").err
    assert loads(at_live("portfolio", "rename", f"{name}-2", name, "--json").out)["name"] == name
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    assert at_live("portfolio", "delete", name).code != 0
    assert name in at_live("portfolio", "list").out
    assert f"portfolio {name} deleted" in at_live("portfolio", "delete", name, "--yes").err
    assert at_live("portfolio", "show", name).code == Exit.NOT_FOUND
