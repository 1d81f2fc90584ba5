"""The pages of schedules: the list, one with its firings, the form for a new one, and what each button does."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreError
from kaboom.schedules.model import Firing, FiringOutcome, Turn
from kaboom.schedules.store import open_schedules
from tests.fixtures.jobs.apps import SCHEDULES, jobs_of
from tests.fixtures.jobs.browsers import browser_of, read_page, tags_of, text_of
from tests.fixtures.jobs.jobs import OWNER
from tests.fixtures.jobs.schedules import make_schedule, never_ended

pytestmark = pytest.mark.anyio
NEW = {
    "name": "evening",
    "task": "ingest.run_daily",
    "request": '{"intervals": {"1m": 1}, "market": "TSE_PRIME"}',
    "when": "session",
    "session_at": "16:35",
    "cron": "0 18 * * 5",
    "missed": "skip",
    "max_late_h": "5",
    "is_enabled": "yes",
}


async def listed(browser: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await browser.get(SCHEDULES, headers={"accept": "application/json"})
    return {each["name"]: each for each in answer.json()["items"]}


async def add(browser: httpx2.AsyncClient, **values: str) -> str:
    answer = await browser.post("/schedules/new", data=NEW | values)
    assert answer.status_code == 303, text_of(answer.text)
    path: str = answer.headers["location"].partition("?")[0]
    return path


def typed_in(html: str) -> dict[str, str | None]:
    """Return the values of the controls of a page, by name."""
    return {tag["name"]: tag.get("value") for _, tag in tags_of(html) if "name" in tag}


async def plant_missed(app: FastAPI, schedule_id: str, reason: str) -> None:
    firing = Firing(schedule_id, utc_now(), FiringOutcome.MISSED, utc_now(), reason=reason)
    store = jobs_of(app).parts.database.open(open_schedules)
    await store.fire_now(OWNER, schedule_id, lambda s, now: Turn(firing, s.next_at), has_ended=never_ended)


async def test_the_list_says_when_and_what_became_of_the_last(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    path = await add(browser)
    await plant_missed(app, path.rpartition("/")[2], "9.0 h late; due times of at most 5 h late still fire")
    html = await read_page(browser, "/schedules")
    text = text_of(html)
    assert "1 of 2 on · next: evening" in text
    assert "on evening Daily ingest · each session at 16:35" in text
    assert "16:35" in text
    assert "missed" in text
    assert "off daily ingest" in text
    assert ("a", path) in [(name, tag.get("href")) for name, tag in tags_of(html)]
    shown = text_of(await read_page(browser, path))
    assert "9.0 h late; due times of at most 5 h late still fire" in shown
    assert "do not run" in shown


async def test_the_calendar_has_a_row_for_each_schedule(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    path = await add(browser)
    await plant_missed(app, path.rpartition("/")[2], "late")
    html = await read_page(browser, "/schedules/calendar")
    rows = [tag["href"] for name, tag in tags_of(html) if name == "a" and tag.get("class") == "row"]
    assert path in rows
    assert len(rows) == 2
    text = text_of(html)
    assert text.count("missed") == 1
    assert "16:35" in text
    assert "/schedules/calendar" in await read_page(browser, "/schedules")


async def test_of_several_the_one_that_fires_first_is_next(browser: httpx2.AsyncClient) -> None:
    # Once a minute, once a year, and in between.
    for name, cron in (("b", "0 18 1 1 *"), ("c", "* * * * *"), ("a", "0 18 1 * *")):
        await add(browser, name=name, when="cron", cron=cron)
    assert "3 of 4 on · next: c," in text_of(await read_page(browser, "/schedules"))


async def test_a_schedule_that_is_added_is_shown(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/schedules/new", data=NEW | {"name": " evening "})
    assert answer.headers["location"].endswith("?done=added")
    kept = (await listed(browser))["evening"]
    assert (kept["session_at"], kept["cron"], kept["missed"], kept["max_late_h"]) == ("16:35", None, "skip", 5)
    assert kept["request"]["market"] == "TSE_PRIME"
    text = text_of(await read_page(browser, answer.headers["location"]))
    assert "The schedule was added." in text
    assert "It has not fallen due yet." in text
    await add(browser, name="weekly", when="cron", is_enabled="")
    weekly = (await listed(browser))["weekly"]
    assert (weekly["cron"], weekly["is_enabled"]) == ("0 18 * * 5", False)


@pytest.mark.parametrize(
    ("values", "status", "field", "told"),
    [
        ({"request": "{"}, 422, "request", "the request was not JSON"),
        ({"request": '{"market": "NASDAQ", "intervals": {"1m": 1}}'}, 422, "request", "NASDAQ"),
        ({"request": '{"intervals": {"1m": 1}, "symbols": ["9998"]}'}, 422, "request", "nearest to 9998: 9997, "),
        ({"request": "[" * 2000}, 422, "request", "the request was not JSON"),
        ({"max_late_h": "soon"}, 422, "max_late_h", "Enter a whole number."),
        ({"max_late_h": "9999"}, 422, "max_late_h", "720"),
        ({"session_at": "08:00"}, 422, "session_at", "expected HH:MM from 09:00"),
        ({"when": "cron", "cron": "0 0 31 2 *"}, 422, "cron", "0 0 31 2 *"),
        ({"task": "rm -rf"}, 422, "task", "expected one of"),
        ({"name": "daily ingest"}, 409, "", "exists already"),
    ],
)
async def test_what_is_refused_is_shown_again_with_the_reason(
    browser: httpx2.AsyncClient, values: dict[str, str], status: int, field: str, told: str
) -> None:
    answer = await browser.post("/schedules/new", data=NEW | {"name": "typed <b>"} | values)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert told in text_of(answer.text)
    kept = {tag["name"]: tag.get("value") for name, tag in tags_of(answer.text) if name == "input" and "name" in tag}
    assert kept["name"] == ({"name": "typed <b>"} | values)["name"]
    faults = [tag["id"] for _, tag in tags_of(answer.text) if tag.get("id", "").endswith("-fault")]
    assert faults == ([f"f-{field}-fault"] if field else [])
    assert list(await listed(browser)) == ["daily ingest"]


async def test_a_schedule_is_made_of_the_fields_of_its_task(browser: httpx2.AsyncClient) -> None:
    given = NEW | {"request": "", "task": "market_data.roll_up"}
    shown = await browser.post("/schedules/new", data=given | {"action": "fields"})
    names = {tag.get("name") for _, tag in tags_of(shown.text)}
    assert {"r_intervals", "r_symbols"} <= names
    assert "r_session" not in names
    refused = await browser.post("/schedules/new", data=given | {"r_symbols": "x!", "r_intervals": "5m=1"})
    assert [tag["name"] for _, tag in tags_of(refused.text) if tag.get("aria-invalid")] == ["r_symbols"]
    path = await add(browser, **given, r_symbols="7203 6758", r_intervals="5m=3")
    found = (await listed(browser))["evening"]["request"]
    assert (found["symbols"], found["intervals"]) == (["7203", "6758"], {"5m": 3})
    edited = typed_in(await read_page(browser, f"{path}/edit"))
    assert (edited["r_symbols"], edited["r_intervals"]) == ("7203, 6758", "5m=3")
    from_json = NEW | {"action": "fields", "request": '{"symbols": ["7203"], "intervals": {"1d": 2}}'}
    fields = typed_in((await browser.post("/schedules/new", data=from_json)).text)
    assert (fields["r_symbols"], fields["r_intervals"]) == ("7203", "1d=2")


async def test_a_schedule_is_edited(browser: httpx2.AsyncClient) -> None:
    path = await add(browser)
    form = tags_of(await read_page(browser, f"{path}/edit"))
    shown = {
        tag["name"]: tag["value"]
        for name, tag in form
        if name == "input" and "value" in tag and tag.get("type") != "radio"
    }
    assert shown["name"] == "evening"
    assert [tag["action"] for name, tag in form if tag.get("action", "").startswith("/schedules/")] == [f"{path}/edit"]
    changed = NEW | {"name": "night", "when": "cron", "cron": "30 21 * * 1-5", "max_late_h": "7"}
    answer = await browser.post(f"{path}/edit", data=changed)
    assert answer.headers["location"] == f"{path}?done=changed"
    found = (await listed(browser))["night"]
    assert (found["cron"], found["session_at"], found["max_late_h"]) == ("30 21 * * 1-5", None, 7)
    refused = await browser.post(f"{path}/edit", data=changed | {"cron": "never"})
    assert refused.status_code == 422
    assert 'value="never"' in refused.text
    assert (await browser.post(f"/schedules/{'0' * 32}/edit", data=changed)).status_code == 404


async def test_buttons_disable_enable_run_and_remove(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    schedule = await jobs_of(real_app).parts.database.open(open_schedules).add(make_schedule("mine"))
    path = f"/schedules/{schedule.schedule_id}"
    try:
        off = await real_browser.post(f"{path}/switch", data={"is_enabled": "no"})
        assert off.headers["location"] == f"{path}?done=disabled"
        assert (await listed(real_browser))["mine"]["is_enabled"] is False
        assert "These do not count while it is off." in text_of(await read_page(real_browser, f"{path}?done=disabled"))
        await real_browser.post(f"{path}/switch", data={"is_enabled": "yes"})
        assert (await listed(real_browser))["mine"]["is_enabled"] is True
        run = await real_browser.post(f"{path}/run")
        assert run.headers["location"].startswith("/jobs/ingest/")
        html = await read_page(real_browser, path)
        assert "fired by hand" in text_of(html)
        assert ("a", run.headers["location"]) in [(name, tag.get("href")) for name, tag in tags_of(html)]
    finally:
        gone = await real_browser.post(f"{path}/remove")
    assert gone.headers["location"] == "/schedules?done=removed"
    assert "mine" not in await listed(real_browser)
    assert (await real_browser.get(path)).status_code == 404


async def test_a_viewer_sees_disabled_buttons_and_is_refused(app: FastAPI) -> None:
    schedule = await jobs_of(app).parts.database.open(open_schedules).add(make_schedule("mine"))
    path = f"/schedules/{schedule.schedule_id}"
    async with browser_of(app, role="viewer") as browser:
        for page in ("/schedules", path):
            buttons = [
                tag
                for name, tag in tags_of(await read_page(browser, page))
                if name == "button" and "data-act" not in tag
            ]
            assert buttons
            assert all("disabled" in tag and "schedules:write" in tag["title"] for tag in buttons)
        for action in ("/switch", "/run", "/remove"):
            answer = await browser.post(path + action)
            assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert (await browser.post("/schedules/new", data=NEW)).status_code == 403
        assert (await browser.get("/schedules/new")).status_code == 403
    assert (await jobs_of(app).parts.database.open(open_schedules).load(OWNER, schedule.schedule_id)).is_enabled


async def test_another_owner_and_another_site_change_nothing(app: FastAPI) -> None:
    schedule = await jobs_of(app).parts.database.open(open_schedules).add(make_schedule("mine"))
    path = f"/schedules/{schedule.schedule_id}"
    async with browser_of(app, owner="other") as other:
        assert "mine" not in await read_page(other, "/schedules")
        assert "Nothing runs by itself yet." in text_of(await read_page(other, "/schedules"))
        assert [(await other.get(path)).status_code, (await other.post(f"{path}/remove")).status_code] == [404, 404]
    async with browser_of(app, **{"sec-fetch-site": "cross-site"}) as foreign:
        for action in ("/switch", "/run", "/remove"):
            assert (await foreign.post(path + action)).status_code == 403
    assert (await jobs_of(app).parts.database.open(open_schedules).load(OWNER, schedule.schedule_id)).is_enabled


async def test_hostile_names_and_reasons_are_text(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    hostile = "<script>alert(1)</script>\u202e\u001b[31m" + "x" * 10_000
    request = {"intervals": {"1m": 1}, "market": hostile}
    planted = make_schedule(hostile, request=request)
    schedule = await jobs_of(app).parts.database.open(open_schedules).add(planted)
    await plant_missed(app, schedule.schedule_id, hostile)
    for path in ("/schedules", f"/schedules/{schedule.schedule_id}"):
        assert "<script>alert" not in await read_page(browser, path)


async def test_japanese_pages_use_the_words_of_the_glossary(app: FastAPI) -> None:
    async with browser_of(app, **{"accept-language": "ja"}) as browser:
        path = await add(browser)
        assert "有効 evening 日次取り込み · 立会日の16:35" in text_of(await read_page(browser, "/schedules"))
        text = text_of(await read_page(browser, path))
    assert "実行しない" in text
    assert "スケジュール" in text


async def test_an_unavailable_ledger_is_reported_instead_of_the_list(
    app: FastAPI, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(owner: str) -> Any:
        raise StoreError("PostgreSQL did not answer in 7 s")

    monkeypatch.setattr(jobs_of(app).parts.database.open(open_schedules), "list_schedules", away)
    text = text_of(await read_page(browser, "/schedules"))
    assert "The list of schedules is not available PostgreSQL did not answer in 7 s" in text
    assert "Nothing runs by itself" not in text


async def test_an_address_fills_the_form_of_a_task(browser: httpx2.AsyncClient) -> None:
    shown = await read_page(browser, "/schedules/new?task=market_data.screen&name=rising&screen=rising")
    values = typed_in(shown)
    assert (values["name"], values["r_screen"]) == ("rising", "rising")
    # An unknown task leaves the daily ingest, with its own defaults.
    daily = typed_in(await read_page(browser, "/schedules/new?task=nothing&market=TSE_GROWTH"))
    assert daily["r_intervals"] == typed_in(await read_page(browser, "/schedules/new"))["r_intervals"]
