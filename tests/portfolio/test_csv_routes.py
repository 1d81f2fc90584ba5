"""CSV over HTTP: a whole file or nothing, faults by line, and back out without formulas."""

import httpx2
import pytest

from tests.fixtures.portfolio.client import HEAD, Account

pytestmark = pytest.mark.anyio
ROWS = (
    "2025-11-04,deposit,,,,,1000000,\r\n"
    "2025-11-04,buy,7203,200,2841.5,275,,'=1+1\r\n"
    '2025-11-05,sell,7203,100,2860.3333,0,,"a, ""b"""\r\n'
    "2025-11-05,dividend,7203,,,,4500.5,\r\n"
)


async def test_a_file_comes_back_as_it_was(account: Account) -> None:
    answer = await account.book("/import", csv=HEAD + ROWS)
    assert answer == {"entries": 4, "first_place": 1, "last_place": 4}
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
            "line 6: cash would be -100 yen on 2025-11-03, expected 0 or more: deposit cash by then",
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
    assert (
        answer.json()["detail"]
        == "2行目\uff1a2025-11-04に現金が-1円になります。0円以上でなければなりません。その日までに入金してください"
    )


async def test_a_file_is_imported_once_by_its_key(account: Account) -> None:
    answers = [await account.post("/import", key="file-1", csv=HEAD + ROWS) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"entries": 4, "first_place": 1, "last_place": 4}] * 2
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert (await account.get())["entries"] == 4


async def test_a_large_file_is_refused_whole(http: httpx2.AsyncClient, account: Account) -> None:
    answer = await account.post("/import", csv=HEAD + ROWS * 1000)
    assert answer.status_code == 413
    assert (await account.get())["entries"] == 0
