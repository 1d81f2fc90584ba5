"""The pages of portfolios: the list, one portfolio with what is known of it, and what each form does."""

import re
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from kaboom.bars.store import BarStore
from kaboom.dashboard.environment import direction, share, signed_yen, yen
from tests.fixtures.bars.stored_bars import DAILY, at, bar, frame
from tests.fixtures.jobs.apps import jobs_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, read_page, tags_of, text_of
from tests.portfolio.test_broker_file import RAKUTEN

pytestmark = pytest.mark.anyio
TUESDAY = date(2025, 11, 4)
TRADE = {"side": "buy", "symbol": "7203", "quantity": "100", "price": "2841.5", "fee": "99", "day": "2025-11-04"}


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API on a store of its own: that in memory is one for the whole process."""
    async with running(memory_settings(tmp_path, bar_store="pages"), authenticators=[VIEWERS]) as app:
        yield app


@pytest.fixture
async def path(browser: httpx2.AsyncClient) -> str:
    """The page of a portfolio with a million yen."""
    made = await browser.post("/portfolios", data={"name": "日本株 <b>", "provider": ""})
    assert made.status_code == 303
    path: str = made.headers["location"]
    paid = await browser.post(f"{path}/cash", data={"kind": "deposit", "amount": "1000000", "day": "2025-11-04"})
    assert paid.headers["location"] == f"{path}?done=booked"
    return path


@pytest.fixture
def bars(app: FastAPI) -> BarStore:
    """The bars of the API."""
    return build_bar_store(jobs_of(app).parts.settings)


async def test_the_list_shows_cash_and_who_makes_prices_up(browser: httpx2.AsyncClient, path: str) -> None:
    html = await read_page(browser, "/portfolios")
    assert ("a", path) in [(name, tag.get("href")) for name, tag in tags_of(html)]
    assert "日本株 <b> synthetic generated, not market data 1,000,000" in text_of(html)


async def test_an_empty_list_says_what_to_do(browser: httpx2.AsyncClient) -> None:
    assert "There is no portfolio yet." in text_of(await read_page(browser, "/portfolios"))


async def test_a_taken_name_is_reported_at_the_form(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.post("/portfolios", data={"name": "日本株 <b>"})
    assert answer.status_code == 409
    assert "exists already: choose another name" in text_of(answer.text)


async def test_a_page_shows_worth_positions_and_entries(browser: httpx2.AsyncClient, path: str, bars: BarStore) -> None:
    await browser.post(f"{path}/trades", data=TRADE)
    text = text_of(await read_page(browser, path))
    # The worth is not known without a close, and never 0.
    assert "Equity, yen – Profit, yen – Cash, yen 715,751 Value, yen –" in text
    assert "No close is stored of 7203" in text
    await bars.write(DAILY, frame(*(bar("7203", at(TUESDAY.replace(day=day)), 2900.0 + day) for day in (4, 5, 6))))
    html = await read_page(browser, path)
    text = text_of(html)
    assert "Equity, yen 1,006,351 Profit, yen +6,351 Cash, yen 715,751 Value, yen 290,600" in text
    assert "2025-11-04 buy 7203 TOYOTA MOTOR CORPORATION 100 2,841.5 99 284,150" in text
    assert re.search(
        r"7203 TOYOTA MOTOR CORPORATION 100 2,842\.49 2,906 .* final \+100 \+0\.03% 290,600 28\.9% \+6,351", text
    )
    assert "2025-11-04 deposit" in text
    assert '<path class="ln" d="M0 ' in html


async def test_a_refused_trade_is_shown_again_with_its_reason(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.post(f"{path}/trades", data=TRADE | {"quantity": "1e3", "note": "mine"})
    assert answer.status_code == 422
    assert ("input", "mine") in [(name, tag.get("value")) for name, tag in tags_of(answer.text)]
    assert 'id="f-trades-quantity-fault"' in answer.text
    short = await browser.post(f"{path}/trades", data=TRADE | {"side": "sell"})
    assert short.status_code == 409
    assert "7203 would be short on 2025-11-04: 100 sold, 0 held" in text_of(short.text)


async def test_a_form_that_is_sent_twice_books_once(browser: httpx2.AsyncClient, path: str) -> None:
    html = await read_page(browser, path)
    (key,) = [tag["value"] for name, tag in tags_of(html) if tag.get("name") == "key" and tag["value"].endswith("-t")]
    for _ in range(2):
        assert (await browser.post(f"{path}/trades", data=TRADE | {"key": key})).status_code == 303
    assert text_of(await read_page(browser, path)).count("2025-11-04 buy 7203") == 1


async def test_an_entry_is_taken_back(browser: httpx2.AsyncClient, path: str) -> None:
    await browser.post(f"{path}/trades", data=TRADE)
    html = await read_page(browser, path)
    entry = next(tag["value"] for _, tag in tags_of(html) if tag.get("name") == "entry")
    done = await browser.post(f"{path}/reverse", data={"entry": entry})
    assert done.headers["location"] == f"{path}?done=reversed"
    text = text_of(await read_page(browser, f"{path}?done=reversed"))
    assert "The entry was taken back by another one." in text
    assert "buy taken back 7203" in text
    assert (await browser.post(f"{path}/reverse", data={"entry": entry})).status_code == 409


async def test_a_file_is_imported_or_each_wrong_line_is_named(browser: httpx2.AsyncClient, path: str) -> None:
    head = "day,kind,symbol,quantity,price,fee,amount,note\r\n"
    good, bad = "2025-11-04,buy,7203,100,2841.5,99,,\r\n", "2025-11-04,gift,,,,,1,\r\n"
    refused = await browser.post(f"{path}/import", data={"csv": head + good + bad})
    assert refused.status_code == 422
    assert "kind was 'gift'" in text_of(refused.text)
    assert "2025-11-04,buy,7203" in refused.text
    done = await browser.post(f"{path}/import", data={"csv": head + good, "key": "once"})
    assert done.headers["location"] == f"{path}?done=imported"
    text = text_of(await read_page(browser, f"{path}?done=imported"))
    assert "All entries of the file were booked." in text
    assert "2025-11-04 buy 7203 TOYOTA MOTOR CORPORATION 100 2,841.5" in text
    saturday = {"csv": head + "2025-11-08,buy,7203,100,2841.5,99,,\r\n"}
    statuses = [
        (await browser.post(f"{path}/import", data=saturday | force)).status_code for force in ({}, {"force": "1"})
    ]
    assert statuses == [422, 303]


async def test_a_portfolio_is_renamed_and_deleted(browser: httpx2.AsyncClient, path: str) -> None:
    assert (await browser.post(f"{path}/rename", data={"name": " "})).status_code == 422
    done = await browser.post(f"{path}/rename", data={"name": "Core"})
    assert done.headers["location"] == f"{path}?done=renamed"
    assert "Core" in text_of(await read_page(browser, path))
    none = await browser.post(f"{path}/dividends", data={})
    assert "0 dividends were booked." in text_of(await read_page(browser, none.headers["location"]))
    assert (await browser.post(f"{path}/remove", data={})).headers["location"] == "/portfolios"
    assert (await browser.get(path)).status_code == 404
    assert "There is no portfolio yet." in text_of(await read_page(browser, "/portfolios"))


async def test_a_viewer_reads_and_may_not_book(app: FastAPI, path: str) -> None:
    async with browser_of(app, role="viewer") as viewer:
        html = await read_page(viewer, path)
        assert [tag for name, tag in tags_of(html) if name == "button" and "btn-bad" in tag.get("class", "")] == []
        locked = [tag for name, tag in tags_of(html) if name == "button" and "disabled" in tag]
        assert [tag["title"] for tag in locked] == [
            "This needs the scope portfolios:write, which your role does not have"
        ] * 5
        assert (await viewer.post(f"{path}/trades", data=TRADE)).status_code == 403


async def test_another_owner_finds_no_page(app: FastAPI, path: str) -> None:
    async with browser_of(app, owner="other") as other:
        assert (await other.get(path)).status_code == 404
        assert "日本株" not in (await other.get("/portfolios")).text


async def test_pages_are_in_japanese(app: FastAPI, path: str) -> None:
    async with browser_of(app, **{"accept-language": "ja"}) as browser:
        await browser.post(f"{path}/trades", data=TRADE)
        text = text_of(await read_page(browser, path))
        assert "現金（円） 715,751" in text
        assert "2025-11-04 買付 7203 トヨタ自動車 100" in text


def test_amounts_are_written_for_people() -> None:
    shown = {"1234567.5": "1,234,567.5", "0": "0", "99.9999": "100", "-3.25": "-3.25"}
    assert [yen(Decimal(each)) for each in shown] == list(shown.values())
    amounts = [Decimal(each) for each in ("1000", "-1000.25", "0")]
    assert [signed_yen(each) for each in amounts] == ["+1,000", "−1,000.25", "0"]
    assert [direction(each) for each in (*amounts, None)] == ["up", "down", "", ""]
    assert yen(None) == signed_yen(None) == "–"


async def test_a_portfolio_is_shown_beside_topix_with_names_weights_and_the_change_of_the_day(
    browser: httpx2.AsyncClient, path: str, bars: BarStore
) -> None:
    await browser.post(f"{path}/trades", data=TRADE | {"fee": "0", "price": "2800"})
    prices = {"7203": (2800.0, 3000.0, 3150.0), "1306": (2000.0, 2100.0, 2000.0)}
    for symbol, closes in prices.items():
        days = (TUESDAY, date(2025, 11, 5), date(2025, 11, 6))
        await bars.write(DAILY, frame(*(bar(symbol, at(day), close) for day, close in zip(days, closes, strict=True))))
    html = await read_page(browser, path)
    text = text_of(html)
    assert "Portfolio +3.5% TOPIX (1306) +0.0%" in text
    assert "time-weighted return (TWR) +3.50%" in text
    assert "1306 stands for TOPIX, by its price without dividends." in text
    assert "7203 TOYOTA MOTOR CORPORATION 100 2,800 3,150" in text
    assert "+15,000 +5.00% 315,000 30.4% +35,000" in text
    assert "7203 TOYOTA MOTOR CORPORATION +35,000 +3.50%" in text
    assert 'class="ln ln-2 ln-dash"' in html


async def test_a_form_opens_without_scripts_and_after_a_refusal(browser: httpx2.AsyncClient, path: str) -> None:
    def opened(html: str) -> list[str | None]:
        return [tag.get("id") for name, tag in tags_of(html) if name == "dialog" and "open" in tag]

    assert opened(await read_page(browser, path)) == []
    assert opened(await read_page(browser, f"{path}?form=cash")) == ["d-cash"]
    assert opened(await read_page(browser, f"{path}?form=other")) == []
    refused = await browser.post(f"{path}/trades", data=TRADE | {"quantity": "x"})
    assert opened(refused.text) == ["d-trades"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.01234, '<span class="up">+1.23%</span>'),
        (Decimal("-0.0246"), '<span class="down">−2.46%</span>'),
        (-0.00004, '<span class="">0.00%</span>'),
        (0.0, '<span class="">0.00%</span>'),
        (None, "–"),
    ],
)
def test_a_change_that_rounds_to_nothing_has_no_sign(value: float | Decimal | None, shown: str) -> None:
    assert share(value) == shown


async def test_a_history_of_a_broker_says_what_became_of_each_line(
    app: FastAPI, browser: httpx2.AsyncClient, path: str
) -> None:
    page = await browser.post(f"{path}/import", data={"csv": RAKUTEN, "deposits": "yes", "key": "h1"})
    assert page.status_code == 200
    text = text_of(page.text)
    assert "The trade history of Rakuten" in text
    assert "2 entries were booked." in text
    assert "1 line was left out line 4: 取引区分 売買区分 was '信用新規 買建', which is no cash trade of shares" in text
    again = text_of((await browser.post(f"{path}/import", data={"csv": RAKUTEN, "key": "h2"})).text)
    assert "0 entries were booked. 2 trades were booked before." in again
    async with browser_of(app, **{"accept-language": "ja"}) as japanese:
        told = text_of((await japanese.post(f"{path}/import", data={"csv": RAKUTEN, "key": "h3"})).text)
    assert "4行目: 取引区分 売買区分 が '信用新規 買建' で、現物株式の売買ではありません" in told
