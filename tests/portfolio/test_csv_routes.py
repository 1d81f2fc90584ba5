"""CSV over HTTP: a whole file or nothing, faults by line, and back out without formulas."""

import httpx2
import pytest

from tests.fixtures.portfolio.client import HEAD, Account
from tests.portfolio.test_broker_file import RAKUTEN, SBI

pytestmark = pytest.mark.anyio
ROWS = (
    "2025-11-04,deposit,,,,,1000000,\r\n"
    "2025-11-04,buy,7203,200,2841.5,275,,'=1+1\r\n"
    '2025-11-05,sell,7203,100,2860.3333,0,,"a, ""b"""\r\n'
    "2025-11-05,dividend,7203,,,,4500.5,\r\n"
)


async def test_a_file_comes_back_as_it_was(account: Account) -> None:
    answer = await account.book("/import", csv=HEAD + ROWS)
    ends = {"entries": 4, "first_place": 1, "last_place": 4}
    assert answer == ends | {"broker": "", "deposits": 0, "known": 0, "left_out": []}
    assert [entry["note"] for entry in (await account.get("/trades"))["items"]] == ['a, "b"', "=1+1"]
    exported = await account.http.get(f"{account.path}/export")
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert exported.headers["content-disposition"].startswith('attachment; filename="portfolio-')
    assert exported.text == HEAD + ROWS
    another = await Account.create(account.http, name="another")
    await another.book("/import", csv=exported.text)
    assert await another.get("/positions") == await account.get("/positions")


async def test_wrong_lines_are_named_and_nothing_is_booked(account: Account) -> None:
    body = ROWS + "2025-11-05,gift,,,,,1,\r\n2025-11-05,buy,7203,100,,,,\r\n"
    answer = await account.post("/import", csv=HEAD + body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["detail"][:15]) for error in answer.json()["errors"]] == [
        ("#/csv/6", "kind was 'gift'"),
        ("#/csv/7", "price was '', e"),
    ]
    assert (await account.get())["entries"] == 0


@pytest.mark.parametrize(
    ("row", "status", "detail"),
    [
        ("2025-11-04,buy,7203,150,1,,,\r\n", 422, "#/csv/6: quantity was 150, expected a multiple of 100"),
        ("2025-11-05,sell,7203,200,1,,,\r\n", 409, "line 6: 7203 would be short on 2025-11-05: 200 sold, 100 held"),
        (
            "2025-11-03,buy,7203,100,1,,,\r\n",
            409,
            (
                "line 6: cash would be -100 yen on 2025-11-03, expected 0 or more: deposit cash by then, "
                "or set deposits (--deposits)"
            ),
        ),
    ],
)
async def test_a_file_that_does_not_fit_is_refused_by_line(
    account: Account, row: str, status: int, detail: str
) -> None:
    answer = await account.post("/import", csv=HEAD + ROWS + row)
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    assert (await account.get())["entries"] == 0


async def test_faults_are_reported_in_japanese(account: Account) -> None:
    account.http.headers["accept-language"] = "ja"
    answer = await account.post("/import", csv=HEAD + "2025-11-04,withdrawal,,,,,1,\r\n")
    assert answer.json()["detail"] == (
        "2行目\uff1a2025-11-04に現金が-1円になります。0円以上でなければなりません。"
        "その日までに入金してください。または deposits\uff08--deposits\uff09を指定してください"
    )


async def test_a_file_is_imported_once_by_its_key(account: Account) -> None:
    answers = [await account.post("/import", key="file-1", csv=HEAD + ROWS) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["entries"] == 4
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert (await account.get())["entries"] == 4


async def test_a_large_file_is_refused_whole(http: httpx2.AsyncClient, account: Account) -> None:
    answer = await account.post("/import", csv=HEAD + ROWS * 1000)
    assert answer.status_code == 413
    assert (await account.get())["entries"] == 0


async def test_a_history_of_a_broker_is_booked_once(account: Account) -> None:
    await account.deposit("1000000", day="2025-11-03")
    first = await account.book("/import", csv=RAKUTEN)
    assert first == {
        "broker": "Rakuten",
        "entries": 2,
        "first_place": 2,
        "last_place": 3,
        "deposits": 0,
        "known": 0,
        "left_out": [{"line": 4, "reason": "取引区分 売買区分 was '信用新規 買建', which is no cash trade of shares"}],
    }
    again = await account.book("/import", csv=RAKUTEN)
    assert (again["entries"], again["known"], again["first_place"]) == (0, 2, None)
    entry = (await account.get("/trades"))["items"][0]
    await account.book("/reversals", entry_id=entry["id"])
    # A trade that was taken back by hand does not come back with the next file.
    later = RAKUTEN + RAKUTEN.splitlines()[2].replace("2025/11/4", "2025/11/5") + "\n"
    more = await account.book("/import", csv=later)
    assert (more["entries"], more["known"]) == (1, 2)
    (position,) = (await account.get("/positions"))["items"]
    assert (position["symbol"], position["quantity"]) == ("6758", 200)


async def test_deposits_cover_what_buys_lack(account: Account) -> None:
    refused = await account.post("/import", csv=RAKUTEN)
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("line 3: cash would be -295275 yen on 2025-11-04")
    answer = await account.book("/import", csv=RAKUTEN, deposits=True, key="once")
    assert (answer["entries"], answer["deposits"]) == (3, 1)
    assert await account.book("/import", csv=RAKUTEN, deposits=True, key="once") == answer
    cash = await account.get("/cash")
    assert [(each["day"], each["kind"], each["amount"], each["note"]) for each in cash["items"]] == [
        ("2025-11-04", "deposit", "295275", "for 6758")
    ]
    assert cash["cash"] == "150000"


async def test_a_deposit_also_covers_what_was_booked_before(account: Account) -> None:
    await account.deposit("300000", day="2025-11-06")
    await account.trade("buy", 100, "2500", day="2025-11-06")
    rows = "2025-11-05,withdrawal,,,,,10,\r\n2025-11-05,buy,9984,100,1000,,,\r\n2025-11-07,buy,9984,100,600,,,\r\n"
    lacking = await account.post("/import", csv=HEAD + rows, deposits=True)
    assert "line 2: cash would be -10 yen on 2025-11-05" in lacking.json()["detail"]
    await account.book("/import", csv=HEAD + rows.partition("\r\n")[2], deposits=True)
    paid = [(each["day"], each["amount"]) for each in (await account.get("/cash"))["items"]]
    assert paid == [("2025-11-07", "10000"), ("2025-11-06", "300000"), ("2025-11-05", "100000")]
    assert (await account.get())["cash"] == "0"


async def test_odd_lots_of_a_broker_are_facts_and_short_sales_are_not(account: Account) -> None:
    await account.deposit("10000000", day="2025-11-03")
    assert (await account.book("/import", csv=RAKUTEN))["entries"] == 2
    answer = await account.post("/import", csv=SBI)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "line 11: 7203 would be short on 2025-11-05: 1100 sold, 200 held"
    wrong = await account.post("/import", csv=SBI.replace("568300", "568301"))
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "#/csv/10"
