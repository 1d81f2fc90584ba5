"""A token ends with its maker, has no more than its maker has today, and expires unless `never` was asked for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.callers import (
    ME,
    TOKENS,
    USERS,
    add_token,
    add_user,
    browser_of,
    jwt_of,
    stranger_of,
)
from tests.fixtures.accounts.jwts import supabase
from tests.fixtures.jobs.apps import memory_settings, running

pytestmark = pytest.mark.anyio
NEW: dict[str, Any] = {"name": "of a maker", "scopes": ["admin", "jobs:read"]}


async def make(app: FastAPI, headers: dict[str, str], **values: Any) -> dict[str, Any]:
    """Return a token that a caller makes."""
    async with stranger_of(app, **headers) as http:
        made = await http.post(TOKENS, json=NEW | values)
    assert made.status_code == 201, made.text
    answer: dict[str, Any] = made.json()
    return answer


async def scopes_of(app: FastAPI, token: str) -> list[str] | int:
    """Return the scopes of a token at its use; the status if it is refused."""
    async with stranger_of(app, **{"x-ingest-token": token}) as http:
        answer = await http.get(ME)
    return answer.json()["scopes"] if answer.status_code == 200 else answer.status_code


async def of_a_user(app: FastAPI) -> tuple[str, dict[str, Any]]:
    """Return the id of an admin, and a token that it made."""
    admin = await add_user(app, Role.ADMIN)
    await add_user(app, Role.ADMIN)
    return admin.user_id, await make(app, {"authorization": f"Bearer {await jwt_of(app, admin)}"})


async def test_a_token_ends_when_its_maker_is_disabled_and_is_listed_so(app: FastAPI, http: httpx2.AsyncClient) -> None:
    user_id, made = await of_a_user(app)
    assert await scopes_of(app, made["token"]) == ["admin", "jobs:read"]
    cookie = await browser_of(app, token=made["token"])
    await http.patch(f"{USERS}/{user_id}", json={"is_disabled": True})
    assert await scopes_of(app, made["token"]) == 401
    assert (await cookie.get(ME)).status_code == 401
    (listed,) = (await http.get(TOKENS)).json()["items"]
    assert (listed["state"], listed["scopes_now"], listed["scopes"]) == ("maker_ended", [], ["admin", "jobs:read"])


async def test_a_token_has_what_its_maker_has_after_a_demotion(app: FastAPI, http: httpx2.AsyncClient) -> None:
    user_id, made = await of_a_user(app)
    cookie = await browser_of(app, token=made["token"])
    await http.patch(f"{USERS}/{user_id}", json={"role": "viewer"})
    assert await scopes_of(app, made["token"]) == ["jobs:read"]
    assert (await cookie.get(ME)).json()["scopes"] == ["jobs:read"]
    (listed,) = (await http.get(TOKENS)).json()["items"]
    assert (listed["state"], listed["scopes_now"]) == ("active", ["jobs:read"])


async def test_a_token_of_a_token_ends_with_each_of_its_makers(app: FastAPI, http: httpx2.AsyncClient) -> None:
    user_id, first = await of_a_user(app)
    second = await make(app, {"x-ingest-token": first["token"]})
    third = await make(app, {"x-ingest-token": second["token"]})
    await http.patch(f"{USERS}/{user_id}", json={"role": "viewer"})
    assert await scopes_of(app, third["token"]) == ["jobs:read"]
    await http.delete(f"{TOKENS}/{first['id']}")
    assert [await scopes_of(app, one["token"]) for one in (second, third)] == [401, 401]


async def test_a_token_has_no_more_than_the_token_that_made_it(app: FastAPI) -> None:
    maker, _ = await add_token(app, Scope.JOBS_READ)
    _, text = await add_token(app, Scope.ADMIN, Scope.JOBS_READ, created_by=f"kbm_{maker.token_id}")
    assert await scopes_of(app, text) == ["jobs:read"]


async def test_a_token_of_ingest_api_token_stays(app: FastAPI, http: httpx2.AsyncClient) -> None:
    made = (await http.post(TOKENS, json=NEW)).json()
    assert await scopes_of(app, made["token"]) == ["admin", "jobs:read"]


async def test_a_maker_that_the_ledger_does_not_have_is_none(app: FastAPI) -> None:
    for maker in ("usr_" + "0" * 32, "kbm_" + "0" * 16):
        _, text = await add_token(app, Scope.JOBS_READ, created_by=maker)
        assert await scopes_of(app, text) == 401


def days_left(token: dict[str, Any]) -> int:
    """Return the whole days until a token expires."""
    return round((datetime.fromisoformat(token["expires_at"]) - datetime.now(UTC)) / timedelta(days=1))


async def test_a_token_expires_after_90_days_unless_never_is_said(http: httpx2.AsyncClient) -> None:
    made, short = (
        (await http.post(TOKENS, json=NEW)).json(),
        (await http.post(TOKENS, json=NEW | {"expires_days": 7})).json(),
    )
    assert [days_left(made), days_left(short)] == [90, 7]
    assert (await http.post(TOKENS, json=NEW | {"expires_days": "never"})).json()["expires_at"] is None
    for refused in (None, 0, 3651, "always"):
        assert (await http.post(TOKENS, json=NEW | {"expires_days": refused})).status_code == 422


async def test_a_token_of_a_token_expires_with_it(app: FastAPI, http: httpx2.AsyncClient) -> None:
    first = (await http.post(TOKENS, json=NEW | {"expires_days": 7})).json()
    second = await make(app, {"x-ingest-token": first["token"]}, expires_days="never")
    assert second["expires_at"] == first["expires_at"]


async def test_a_token_of_a_supabase_user_cannot_last(tmp_path: Path, anyio_backend: str) -> None:
    """Kaboom does not hear of it when Supabase disables a user."""
    with supabase() as project:
        async with running(memory_settings(tmp_path, supabase_url=project.url)) as app:
            metadata = {"kaboom_role": "admin", "kaboom_owner": "ingest"}
            async with stranger_of(app, authorization=f"Bearer {project.sign(app_metadata=metadata)}") as http:
                refused = [await http.post(TOKENS, json=NEW | {"expires_days": days}) for days in ("never", 91)]
                made = (await http.post(TOKENS, json=NEW)).json()
    assert [answer.status_code for answer in refused] == [422, 422]
    assert days_left(made) == 90


@pytest.mark.parametrize("change", [{"is_disabled": True}, {"role": "viewer"}])
async def test_the_last_admin_stays(app: FastAPI, http: httpx2.AsyncClient, change: dict[str, Any]) -> None:
    first, second = await add_user(app, Role.ADMIN), await add_user(app, Role.ADMIN)
    await add_user(app, Role.ADMIN, owner="another")
    await add_user(app, Role.ADMIN, is_disabled=True)
    assert (await http.patch(f"{USERS}/{first.user_id}", json=change)).status_code == 200
    refused = await http.patch(f"{USERS}/{second.user_id}", json=change)
    assert (refused.status_code, "last admin" in refused.text) == (409, True)
    assert (await http.patch(f"{USERS}/{second.user_id}", json={"role": "admin"})).status_code == 200
    assert (await http.patch(f"{USERS}/{first.user_id}", json={"role": "operator"})).status_code == 200
