"""An expired JWT is told so; a forged one, and one of a cookie's request, are answered as before."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI

from kaboom.web.auth.jwt.own import LIFE
from tests.fixtures.accounts.callers import PASSWORD, accounts_of_app, add_user, browser_of, stranger_of
from tests.fixtures.jobs.apps import JOBS

pytestmark = pytest.mark.anyio
EXPIRED = "the JWT has expired: log in again"


async def expired_jwt(app: FastAPI, subject: str) -> str:
    issued_at = datetime.now(UTC) - LIFE - timedelta(minutes=5)
    return (await accounts_of_app(app).jwts.issue(subject, issued_at))[0]


async def test_an_expired_jwt_is_told_so(app: FastAPI) -> None:
    token = await expired_jwt(app, (await add_user(app)).user_id)
    async with stranger_of(app, authorization=f"Bearer {token}") as http:
        answer = await http.get(JOBS)
        japanese = await http.get(JOBS, headers={"accept-language": "ja"})
    assert (answer.status_code, answer.json()["detail"]) == (401, EXPIRED)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert "有効期限が切れています" in japanese.json()["detail"]


async def test_a_forged_jwt_does_not_learn_that_it_has_expired(app: FastAPI) -> None:
    token = await expired_jwt(app, (await add_user(app)).user_id)
    head, payload, signature = token.split(".")
    forged = f"{head}.{payload}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}"
    async with stranger_of(app, authorization=f"Bearer {forged}") as http:
        answer = await http.get(JOBS)
    assert (answer.status_code, "no valid token" in answer.json()["detail"]) == (401, True)


async def test_a_cookie_beside_an_expired_jwt_still_counts(app: FastAPI) -> None:
    user = await add_user(app)
    browser = await browser_of(app, user=user.name, password=PASSWORD)
    browser.headers["authorization"] = f"Bearer {await expired_jwt(app, user.user_id)}"
    assert (await browser.get(JOBS)).status_code == 200
    await browser.aclose()
