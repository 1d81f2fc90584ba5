"""With PostgreSQL away: who is known for a few seconds passes, who is not gets 503, and nobody gets in free."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from kaboom.accounts.directory import KEPT_S
from kaboom.drivers.redis.client import connect_redis
from kaboom.errors import StoreError
from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.callers import (
    LOGIN,
    ME,
    PASSWORD,
    accounts_of_app,
    add_token,
    add_user,
    browser_of,
    jwt_of,
    stranger_of,
)
from tests.fixtures.accounts.jwts import JWT_KEY
from tests.fixtures.jobs.apps import TOKEN, memory_settings, real_settings, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def without_ledger(redis_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API with a Redis, and a ledger that is not there."""
    url = f"postgresql://postgres@/postgres?host={tmp_path}"
    # Failed logins of other tests would slow this address.
    redis = connect_redis(redis_url, client_name="test")
    await redis.flushdb()
    await redis.aclose()
    async with running(real_settings(redis_url, url, tmp_path)) as app:
        yield app


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-ingest-token": TOKEN}, 200),
        ({"x-ingest-token": f"kbm_{'0' * 16}_{'A' * 43}"}, 503),
        ({"authorization": f"Bearer kbm_{'0' * 16}_{'A' * 43}"}, 503),
        ({"cookie": f"__Host-kaboom={'A' * 43}"}, 503),
        ({"x-ingest-token": f"kbm_{'0' * 16}_{'A' * 42}"}, 401),
        ({"authorization": "Bearer x"}, 401),
        ({"cookie": "__Host-kaboom=x"}, 401),
        ({}, 401),
    ],
    ids=str,
)
async def test_an_uncached_credential_is_503(without_ledger: FastAPI, headers: dict[str, str], status: int) -> None:
    async with stranger_of(without_ledger, **headers) as http:
        answer = await http.get(ME)
    assert answer.status_code == status
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["type"].endswith("/unavailable")


async def test_a_login_is_503(without_ledger: FastAPI) -> None:
    async with stranger_of(without_ledger) as http:
        assert (await http.post(LOGIN, json={"user": "taro", "password": PASSWORD})).status_code == 503
        # INGEST_API_TOKEN needs no ledger, but the key of JWTs does where the settings have none.
        assert (await http.post(LOGIN, json={"token": TOKEN})).status_code == 503
        for path in ("/healthz", "/openapi.json"):
            assert (await http.get(path, headers={"authorization": "Bearer kbm_x"})).status_code == 200


async def test_known_callers_pass_for_5_s(tmp_path: Path, anyio_backend: str) -> None:
    async with running(memory_settings(tmp_path, jwt_secret_key=JWT_KEY)) as app:
        user = await add_user(app, Role.VIEWER)
        _, text = await add_token(app, Scope.JOBS_READ)
        jwt = await jwt_of(app, user)
        browser = await browser_of(app, user=user.name, password=PASSWORD)
        async with (
            stranger_of(app, authorization=f"Bearer {jwt}") as by_jwt,
            stranger_of(app, **{"x-ingest-token": text}) as by_token,
        ):
            known = (by_jwt, by_token, browser)
            assert [(await http.get(ME)).status_code for http in known] == [200] * 3
            _break(app)
            assert [(await http.get(ME)).status_code for http in known] == [200] * 3
            directory = accounts_of_app(app).directory._lookups
            for kept in (directory.users, directory.tokens, directory.sessions, directory.sign_outs):
                kept._clock = lambda: time.monotonic() + KEPT_S
            assert [(await http.get(ME)).status_code for http in known] == [503] * 3


def _break(app: FastAPI) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("PostgreSQL did not answer")

    directory = accounts_of_app(app).directory._lookups
    for kept in (directory.users, directory.tokens, directory.sessions, directory.sign_outs):
        kept._load = fail


async def test_a_revocation_in_one_process_holds_in_another_within_5_s(
    redis_url: str, database_url: str, tmp_path: Path, anyio_backend: str
) -> None:
    settings = real_settings(redis_url, database_url, tmp_path)
    async with running(settings) as one, running(settings) as other:
        user, _last_admin = [await add_user(one, Role.ADMIN) for _ in range(2)]
        token, text = await add_token(one, Scope.JOBS_READ)
        jwt = await jwt_of(one, user)
        browser = await browser_of(one, user=user.name, password=PASSWORD)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        async with (
            stranger_of(one, **{"x-ingest-token": TOKEN}) as admin,
            stranger_of(other, **{"x-ingest-token": text}) as by_token,
            stranger_of(other, authorization=f"Bearer {jwt}") as by_jwt,
            stranger_of(other, cookie=cookie) as by_cookie,
        ):
            theirs = (by_token, by_jwt, by_cookie)
            assert [(await http.get(ME)).status_code for http in theirs] == [200] * 3
            await admin.delete(f"/api/v1/tokens/{token.token_id}")
            await admin.patch(f"/api/v1/users/{user.user_id}", json={"is_disabled": True})
            revoked_at = time.monotonic()
            while [(await http.get(ME)).status_code for http in theirs] != [401] * 3:
                assert time.monotonic() - revoked_at < KEPT_S + 0.5
                await asyncio.sleep(0.1)
