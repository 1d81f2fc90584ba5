"""Strangers cannot hold up a browser or an address that has logged in before; a forged device cookie helps nobody."""

from collections.abc import Mapping
from http.cookies import SimpleCookie
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.accounts.logins import LIFE_S, Devices
from tests.fixtures.accounts.callers import LOGIN, LOGIN_SESSION, PASSWORD, add_user, browser_of, stranger_of
from tests.fixtures.jobs.apps import memory_settings, running

pytestmark = pytest.mark.anyio
HOST = {b"host": b"kaboom"}
COOKIE = "__Host-kaboom-device"


async def load_key() -> bytes:
    return b"k" * 32


def sent(cookie: str) -> Mapping[bytes, bytes]:
    """Return the headers of a request with the cookie that an answer has set."""
    return HOST | {b"cookie": cookie.partition(";")[0].encode()}


async def guess(app: FastAPI, name: str, addresses: int = 20) -> None:
    """Guess at an account from many addresses, until each is held up."""
    for number in range(addresses):
        async with stranger_of(app, **{"x-forwarded-for": f"203.0.113.{number}"}) as http:
            for _ in range(2):
                await http.post(LOGIN, json={"user": name, "password": "wrong"})


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> object:
    async with running(memory_settings(tmp_path, proxy_hops=1)) as found:
        yield found


async def log_in(app: FastAPI, name: str, address: str, **headers: str) -> httpx2.Response:
    async with stranger_of(app, **{"x-forwarded-for": address} | headers) as http:
        return await http.post(LOGIN, json={"user": name, "password": PASSWORD})


async def test_twenty_addresses_do_not_lock_out_who_logged_in_before(app: FastAPI) -> None:
    user = await add_user(app)
    assert (await log_in(app, user.name, "192.0.2.1")).status_code == 200
    browser = await browser_of(app, user=user.name, password=PASSWORD)
    device = f"{COOKIE}={browser.cookies[COOKIE]}"
    await browser.aclose()
    await guess(app, user.name)
    assert (await log_in(app, user.name, "198.51.100.1")).status_code == 429
    for _ in range(12):
        assert (await log_in(app, user.name, "192.0.2.1")).status_code == 200
        assert (await log_in(app, user.name, "198.51.100.1", host="kaboom", cookie=device)).status_code == 200
    # A browser that is known to one account is a stranger to any other.
    other = await add_user(app)
    await guess(app, other.name)
    assert (await log_in(app, other.name, "198.51.100.1", host="kaboom", cookie=device)).status_code == 429


async def test_the_page_sets_the_cookie_and_guesses_with_it_are_slowed(app: FastAPI) -> None:
    user = await add_user(app)
    page = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://kaboom")
    async with page as browser:
        answer = await browser.post("/login", data={"user": user.name, "password": PASSWORD})
        assert answer.status_code == 303
        assert {"__Host-kaboom", COOKIE} <= set(browser.cookies)
        device = browser.cookies[COOKIE].partition(".")[0]
        wrong = [await browser.post(LOGIN, json={"user": user.name, "password": "wrong"}) for _ in range(6)]
        assert [each.status_code for each in wrong] == [401] * 5 + [429]
        browser.headers["x-forwarded-for"] = "198.51.100.77"
        again = await browser.post(LOGIN_SESSION, json={"user": user.name, "password": PASSWORD})
        assert again.status_code == 429
        assert browser.cookies[COOKIE].startswith(device)


async def test_a_login_by_token_makes_no_device(app: FastAPI) -> None:
    async with stranger_of(app, host="kaboom") as http:
        answer = await http.post(LOGIN_SESSION, json={"token": "a-token-of-the-tests"})
    assert answer.status_code == 201
    assert COOKIE not in answer.headers["set-cookie"]


async def test_a_browser_keeps_its_id_and_is_known_to_its_account_only() -> None:
    devices = Devices(load_key)
    cookie = await devices.make_cookie(HOST, "taro")
    assert cookie.endswith(f"; Path=/; Max-Age={LIFE_S}; HttpOnly; SameSite=Lax; Secure")
    device = await devices.find(sent(cookie), "taro")
    assert len(device) == 32
    assert await devices.find(sent(cookie), "hana") == ""
    again = await devices.make_cookie(sent(cookie), "taro")
    assert await devices.find(sent(again), "taro") == device
    assert await Devices(other_key).find(sent(cookie), "taro") == ""


async def other_key() -> bytes:
    return b"o" * 32


async def test_a_device_cookie_ends_when_it_says() -> None:
    now = [1_000_000.0]
    devices = Devices(load_key, lambda: now[0])
    cookie = await devices.make_cookie(HOST, "taro")
    now[0] += LIFE_S - 1
    assert await devices.find(sent(cookie), "taro")
    now[0] += 1
    assert await devices.find(sent(cookie), "taro") == ""


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_a_changed_device_cookie_is_unknown(part: int) -> None:
    devices = Devices(load_key)
    value = SimpleCookie(await devices.make_cookie(HOST, "taro"))[COOKIE].value
    parts = value.split(".")
    parts[part] = parts[part][:-1] + ("1" if parts[part][-1] != "1" else "2")
    for forged in (".".join(parts), value + ".", "", "é", "x" * 8000, "a" * 32 + "." + "9" * 400 + "." + "b" * 64):
        assert await devices.find(HOST | {b"cookie": f"{COOKIE}={forged}".encode()}, "taro") == ""
