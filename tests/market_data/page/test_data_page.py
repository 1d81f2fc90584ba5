"""The data page: what is missing can be read without JavaScript, and fetched after a preview."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.coverage.cells import CellState
from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.open import build_bar_store
from kaboom.bars.store import BarStore
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import closes_at, last_sessions
from kaboom.market.interval import Interval
from kaboom.market_data.page.data import SEVERITY, DataFilters, open_on
from kaboom.market_data.schemas import StoredSeries
from kaboom.web.auth.principals import DEFAULT_OWNER, Principal
from kaboom.web.auth.scopes import SCOPES, Role
from tests.fixtures.bars.stored_bars import MINUTES, bar, frame, full_day
from tests.fixtures.jobs.apps import memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, read_page, tags_of, text_of

pytestmark = pytest.mark.anyio
SYMBOLS = ("6758", "7203", "9984")
#: Three sessions that are over; the second one lacks 7203.
DAYS = last_sessions(4, date.today() - timedelta(days=1))[-3:]  # noqa: DTZ011  any recent day


@pytest.fixture
async def store(
    judge_in_the_evening: Callable[[date], None], tmp_path: Path, anyio_backend: str
) -> AsyncIterator[BarStore]:
    judge_in_the_evening(DAYS[-1])
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    for seed, day in enumerate(DAYS):
        some = full_day([symbol for symbol in SYMBOLS if (symbol, seed) != ("7203", 1)], day, seed)
        await store.write(MINUTES, some)
        await store.save_fetch_log(
            MINUTES, build_fetch_log(some, SYMBOLS[:1], [day], closes_at(day) + timedelta(hours=3))
        )
    yield store
    await store.close()


@pytest.fixture
async def app(store: BarStore, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The API on that store, in place of one with everything in memory."""
    async with running(memory_settings(tmp_path, bar_store="pages"), authenticators=[VIEWERS]) as app:
        yield app


def attribute(html: str, tag: str, wanted: str, **having: str) -> str:
    found = [attrs for each, attrs in tags_of(html) if each == tag and having.items() <= attrs.items()]
    return found[0][wanted]


async def test_the_table_says_which_sessions_are_not_complete(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/data")
    assert page.status_code == 200
    text = text_of(page.text)
    assert re.search(rf"3 symbols . 3 sessions, 1-minute bars, {DAYS[0]} to {DAYS[-1]}", text)
    assert "synthetic: generated, not market data" in text
    found = re.findall(r'<tr><th scope="row" class="date">.*?</tr>', page.text, re.DOTALL)
    rows = [text_of(row).split() for row in found]
    # The newest is first. Of three symbols one is missing.
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    assert [row[:4] for row in rows if row[1] == "degraded"] == [[str(DAYS[1]), "degraded", "3", "1"]]


async def test_the_map_gets_the_places_and_meanings_of_its_cells(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/data", params={"interval": "1m", "market": "TSE_PRIME"})).text
    path = attribute(page, "div", "data-cells", id="map")
    assert path == "/api/v1/coverage/cells?interval=1m&market=TSE_PRIME&sessions=250"
    cells = await browser.get(path)
    head = json.loads(cells.content.partition(b"\n")[0])
    assert head["symbols"][0] == "1301"
    severity = attribute(page, "div", "data-severity", id="map").split()
    assert sorted(severity) == sorted(head["states"]) == sorted(CellState)
    assert severity[-1] == "missing"
    words = json.loads(attribute(page, "div", "data-words", id="map"))
    assert all(words[f"{kind}_{state}"] for kind in "sw" for state in CellState)


def test_every_state_has_a_rank() -> None:
    assert sorted(SEVERITY) == sorted(CellState)


async def test_states_are_counted_and_filters_kept(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/data", params={"state": ["missing", "lost"], "q": "トヨタ", "group": "worst"})).text
    boxes = {a["value"]: "checked" in a for tag, a in tags_of(page) if tag == "input" and a.get("name") == "state"}
    assert {state for state, is_checked in boxes.items() if is_checked} == {"missing", "lost"}
    assert set(boxes) == set(CellState)
    assert "トヨタ" in [attrs.get("value") for _, attrs in tags_of(page) if attrs.get("name") == "q"]
    assert "selected" in next(a for tag, a in tags_of(page) if tag == "option" and a.get("value") == "worst")


async def test_the_page_is_complete_in_japanese(app: FastAPI) -> None:
    async with browser_of(app, **{"accept-language": "ja"}) as browser:
        text = text_of((await browser.get("/data")).text)
    assert "データ充足状況" in text
    assert "1分足" in text
    assert not re.search(r"\bsessions?\b|\bsymbols\b", text)


@pytest.mark.parametrize("query", ["interval=7m", "market=NASDAQ", "group=evil", "state=nonsense", "provider=../x"])
async def test_a_bad_filter_is_an_error_page(browser: httpx2.AsyncClient, query: str) -> None:
    answer = await browser.get(f"/data?{query}")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (422, "text/html")


async def test_hostile_text_is_text(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/data", params={"q": '"><script>alert(1)</script>\u202e'})).text
    assert "<script>alert" not in page
    assert (await browser.get("/data", params={"q": "x" * 10_000})).status_code == 422


async def test_an_empty_store_says_how_to_fill_it(tmp_path: Path, anyio_backend: str) -> None:
    settings = memory_settings(tmp_path / "empty", bar_store="pages")
    async with running(settings, authenticators=[VIEWERS]) as app, browser_of(app) as browser:
        text = text_of((await browser.get("/data")).text)
    assert "kaboom ingest run-daily" in text


async def preview(browser: httpx2.AsyncClient, **form: str) -> httpx2.Response:
    answer = await browser.post("/data/fetch", data={"interval": "1m", "market": "", "provider": "synthetic"} | form)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_backfill_is_previewed_and_then_run(browser: httpx2.AsyncClient) -> None:
    shown = await preview(browser)
    fields = {a["name"]: a["value"] for tag, a in tags_of(shown.text) if tag == "input" and "value" in a}
    assert fields == {"interval": "1m", "market": "TSE_PRIME", "provider": "synthetic"}
    assert "kaboom ingest backfill --wait --interval 1m=250 --market TSE_PRIME --provider synthetic" in shown.text
    assert "missing" in text_of(shown.text)
    # Looking leaves no job.
    assert (await browser.get("/api/v1/jobs")).json()["items"] == []
    ran = await browser.post("/data/run", data=fields)
    assert ran.status_code == 303
    job_id = re.fullmatch("/jobs/ingest/([0-9a-f]{32})", ran.headers["location"])
    assert job_id
    job = (await browser.get(f"/api/v1/ingest/jobs/{job_id[1]}")).json()
    assert (job["task"], job["intervals"]) == ("ingest.backfill", {"1m": 250})
    await browser.post(f"/api/v1/ingest/jobs/{job_id[1]}/cancel")


async def test_the_preview_is_a_part_for_a_dialog(browser: httpx2.AsyncClient) -> None:
    part = await browser.post("/data/fetch", data={"interval": "1m"}, headers={"hx-request": "true"})
    assert part.status_code == 200
    assert "<html" not in part.text
    assert 'action="/data/run"' in part.text


async def test_what_looks_odd_is_kept_from_the_preview_to_the_run(browser: httpx2.AsyncClient) -> None:
    shown = await preview(browser, include_short="1")
    assert attribute(shown.text, "input", "value", name="include_short") == "1"


async def test_a_form_of_another_site_is_refused(app: FastAPI) -> None:
    async with browser_of(app, **{"sec-fetch-site": "cross-site"}) as browser:
        for path in ("/data/fetch", "/data/run"):
            assert (await browser.post(path, data={"interval": "1m"})).status_code == 403


async def test_a_bad_backfill_is_an_error_page(browser: httpx2.AsyncClient) -> None:
    for form in ({"interval": "7m"}, {"market": "NASDAQ"}, {"provider": "nobody"}):
        assert (await browser.post("/data/fetch", data=form)).status_code == 422


class Reader:
    """Authenticates everybody as a viewer."""

    async def authenticate(self, headers: Mapping[bytes, bytes], *, known_only: bool = False) -> Principal | None:
        return Principal(DEFAULT_OWNER, "test", "reader", "reader", SCOPES[Role.VIEWER], Role.VIEWER)


async def test_a_viewer_reads_and_does_not_fetch(store: BarStore, tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, bar_store="pages")
    async with running(settings, authenticators=[Reader()]) as app, browser_of(app) as browser:
        page = await browser.get("/data")
        assert page.status_code == 200
        assert 'action="/data/fetch"' not in page.text
        assert (await browser.post("/data/fetch", data={"interval": "1m"})).status_code == 403


def values_of(page: str) -> list[str]:
    """Return the providers that a data page offers."""
    part = page.partition('name="provider"')[2].partition("</select>")[0]
    return [attrs["value"] for tag, attrs in tags_of(part) if tag == "option"]


async def test_bars_of_another_provider_can_be_chosen(
    store: BarStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KABOOM_FILE_DIR", str(tmp_path))
    settings = memory_settings(tmp_path, bar_store="pages")
    async with running(settings, authenticators=[VIEWERS]) as app, browser_of(app) as browser:
        # The default is not named, so that bars that were rolled up are found, too.
        assert values_of(await read_page(browser, "/data?interval=1d")) == ["default", "file"]


async def test_a_chosen_provider_is_kept_and_can_be_left(browser: httpx2.AsyncClient, store: BarStore) -> None:
    await store.write(BarSeries("file", Interval.D1), frame(bar("SPY", datetime(2024, 11, 5, tzinfo=UTC))))
    # Minutes are generated ones alone; but days are the user's own.
    assert "synthetic" in text_of(await read_page(browser, "/data?interval=1m"))
    assert "synthetic" not in text_of(
        (await read_page(browser, "/data?interval=1d")).partition("</h1>")[2].partition("<form")[0]
    )
    page = await read_page(browser, "/data?interval=1d&provider=file")
    [select] = [attrs for tag, attrs in tags_of(page) if tag == "select" and attrs.get("name") == "provider"]
    assert "data-choice" in select
    assert values_of(page) == ["default", "file"]
    assert "1 symbol \N{MULTIPLICATION SIGN} 1 session" in text_of(page)
    # Another interval of a symbol that only files have is theirs, too, and its prices may be of any currency.
    chart = await read_page(browser, "/symbols/SPY?interval=1d&provider=file")
    assert "yen" not in text_of(chart.partition("<main")[2])
    links = [attrs.get("href", "") for _, attrs in tags_of(chart)]
    assert "/symbols/SPY?interval=1m&provider=file" in links
    assert (await browser.get("/symbols/SPY?interval=1m&provider=file")).status_code == 200


async def test_the_page_opens_on_own_files(browser: httpx2.AsyncClient, store: BarStore) -> None:
    page = await read_page(browser, "/data")
    assert "synthetic: generated, not market data" in text_of(page)
    await store.write(BarSeries("file", Interval.D1), frame(bar("SPY", datetime(2024, 11, 5, tzinfo=UTC))))
    page = await read_page(browser, "/data")
    assert "1 symbol \N{MULTIPLICATION SIGN} 1 session, daily bars, 2024-11-05" in text_of(page)
    assert "generated" not in text_of(page)
    assert attribute(page, "option", "value", value="1d", selected="") == "1d"
    # The configured provider is one choice away, and a market's bars are its.
    for path in ("/data?provider=default", "/data?market=TSE_PRIME"):
        assert "synthetic: generated, not market data" in text_of(await read_page(browser, path))


def series_of(provider: str, interval: Interval, day: int) -> StoredSeries:
    last_at = datetime(2025, 11, day, 3, tzinfo=UTC)
    is_real = provider != "synthetic"
    return StoredSeries(provider=provider, interval=interval, is_real=is_real, symbols=1, last_at=last_at)


@pytest.mark.parametrize(
    ("default", "stored", "opened"),
    [
        ("synthetic", [series_of("synthetic", Interval.M1, 9)], ("", "1m")),
        ("synthetic", [series_of("yahoo", Interval.D1, 9), series_of("jquants", Interval.D1, 10)], ("jquants", "1d")),
        ("synthetic", [series_of("yahoo", Interval.D1, 9), series_of("yahoo", Interval.M5, 9)], ("yahoo", "5m")),
        ("synthetic", [series_of("file", Interval.D1, 9), series_of("yahoo", Interval.M1, 10)], ("file", "1d")),
        ("jquants", [series_of("file", Interval.D1, 9), series_of("jquants", Interval.D1, 8)], ("", "1m")),
        ("synthetic", [series_of("yahoo_from_1m", Interval.D1, 9)], ("", "1m")),
    ],
    ids=["generated", "newest", "finest", "own files first", "a real default", "rolled up"],
)
def test_the_page_opens_on_real_bars(default: str, stored: list[StoredSeries], opened: tuple[str, str]) -> None:
    filters = open_on(stored, DataFilters(), default=default)
    assert (filters.provider, filters.interval.value) == opened


def test_a_chosen_interval_is_kept() -> None:
    stored = [series_of("file", Interval.D1, 9), series_of("yahoo", Interval.M5, 9)]
    assert open_on(stored, DataFilters(interval=Interval.M5), default="synthetic").provider == "yahoo"
    assert open_on(stored, DataFilters(interval=Interval.M1), default="synthetic").provider == ""
