"""Users and tokens: an admin manages those of its owner, and gives no more than it has."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.callers import (
    LOGIN,
    ME,
    PASSWORD,
    TOKENS,
    USERS,
    accounts_of_app,
    add_token,
    add_user,
    jwt_of,
    stranger_of,
    unknown_id,
)
from tests.fixtures.jobs.apps import JOBS

pytestmark = pytest.mark.anyio
NEW = {"name": "Hana@Example.com", "password": PASSWORD, "role": "operator"}
OTHER_PASSWORD = "another battery of staples"


async def log_in(app: FastAPI, name: str, password: str) -> httpx2.Response:
    async with stranger_of(app) as http:
        return await http.post(LOGIN, json={"user": name, "password": password})


class TestUsers:
    async def test_a_user_is_created_listed_shown_and_logs_in(self, app: FastAPI, http: httpx2.AsyncClient) -> None:
        made = await http.post(USERS, json=NEW)
        user = made.json()
        assert (made.status_code, user["name"], user["role"], user["owner"]) == (
            201, "hana@example.com", "operator", "ingest",
        )  # fmt: skip
        assert made.headers["location"] == f"{USERS}/{user['id']}"
        assert (await http.get(made.headers["location"])).json() == user
        assert (await http.get(USERS)).json() == {"items": [user]}
        assert "password" not in made.text
        assert (await log_in(app, "hana@example.com", PASSWORD)).status_code == 200

    async def test_a_name_is_taken_in_any_case(self, http: httpx2.AsyncClient) -> None:
        await http.post(USERS, json=NEW)
        for name in ("hana@example.com", "HANA@EXAMPLE.COM", "\uff48ana@example.com"):
            assert (await http.post(USERS, json=NEW | {"name": name})).status_code == 409

    @pytest.mark.parametrize(
        "values",
        [
            {"name": ""},
            {"name": "a b"},
            {"name": "taro\u202e"},
            {"name": "<script>"},
            {"name": "\x1b[31m"},
            {"name": "x" * 101},
            {"name": "x" * 10_000},
            {"password": "short"},
            {"password": "x" * 257},
            {"role": "root"},
            {"owner": "another"},
            {"is_disabled": False},
        ],
        ids=lambda values: str(values)[:40],
    )
    async def test_bad_values_are_refused(self, http: httpx2.AsyncClient, values: dict[str, Any]) -> None:
        answer = await http.post(USERS, json=NEW | values)
        assert answer.status_code == 422
        assert (await http.get(USERS)).json()["items"] == []

    @pytest.mark.parametrize("role", list(Role))
    async def test_a_changed_role_holds_at_once(self, app: FastAPI, http: httpx2.AsyncClient, role: Role) -> None:
        user = await add_user(app, Role.OPERATOR)
        token = await jwt_of(app, user)
        assert (await http.patch(f"{USERS}/{user.user_id}", json={"role": role})).json()["role"] == role
        async with stranger_of(app, authorization=f"Bearer {token}") as theirs:
            assert (await theirs.get(ME)).json()["role"] == role

    @pytest.mark.parametrize("change", [{}, {"is_disabled": 0}, {"is_disabled": "no"}, {"role": "root"}])
    async def test_a_change_of_nothing_or_by_the_wrong_type_is_refused(
        self, app: FastAPI, http: httpx2.AsyncClient, change: dict[str, Any]
    ) -> None:
        user = await add_user(app, Role.VIEWER)
        assert (await http.patch(f"{USERS}/{user.user_id}", json=change)).status_code == 422

    async def test_a_disabled_user_is_out_until_enabled(self, app: FastAPI, http: httpx2.AsyncClient) -> None:
        user = await add_user(app)
        token = await jwt_of(app, user)
        async with stranger_of(app, authorization=f"Bearer {token}") as theirs:
            assert (await theirs.get(JOBS)).status_code == 200
            await http.patch(f"{USERS}/{user.user_id}", json={"is_disabled": True})
            assert (await theirs.get(JOBS)).status_code == 401
            assert (await log_in(app, user.name, PASSWORD)).status_code == 401
            await http.patch(f"{USERS}/{user.user_id}", json={"is_disabled": False})
            assert (await theirs.get(JOBS)).status_code == 401  # what was logged in before stays void
        assert (await log_in(app, user.name, PASSWORD)).status_code == 200

    async def test_a_new_password_voids_what_the_old_one_logged_in(
        self, app: FastAPI, http: httpx2.AsyncClient
    ) -> None:
        user = await add_user(app)
        token = await jwt_of(app, user)
        assert (await http.patch(f"{USERS}/{user.user_id}", json={"password": OTHER_PASSWORD})).status_code == 200
        async with stranger_of(app, authorization=f"Bearer {token}") as theirs:
            assert (await theirs.get(ME)).status_code == 401
        assert (await log_in(app, user.name, PASSWORD)).status_code == 401
        assert (await log_in(app, user.name, OTHER_PASSWORD)).status_code == 200

    async def test_a_user_changes_its_own_password(self, app: FastAPI) -> None:
        user = await add_user(app, Role.VIEWER)
        token = await jwt_of(app, user)
        path = f"{ME}/password"
        async with stranger_of(app, authorization=f"Bearer {token}") as mine:
            wrong = await mine.post(path, json={"old": "wrong", "new": OTHER_PASSWORD})
            assert wrong.status_code == 401
            right = await mine.post(path, json={"old": PASSWORD, "new": OTHER_PASSWORD})
            assert right.status_code == 204
            assert (await mine.get(ME)).status_code == 401
        assert (await log_in(app, user.name, OTHER_PASSWORD)).status_code == 200

    async def test_a_token_has_no_password_to_change(self, http: httpx2.AsyncClient) -> None:
        answer = await http.post(f"{ME}/password", json={"old": PASSWORD, "new": OTHER_PASSWORD})
        assert (answer.status_code, answer.json()["detail"]) == (
            403,
            "the caller is not a user with a password",
        )

    async def test_another_owners_user_is_not_found(self, app: FastAPI, http: httpx2.AsyncClient) -> None:
        theirs = await add_user(app, owner="another")
        for user_id in (theirs.user_id, unknown_id()):
            assert (await http.get(f"{USERS}/{user_id}")).status_code == 404
            assert (await http.patch(f"{USERS}/{user_id}", json={"role": "admin"})).status_code == 404
        assert (await http.get(USERS)).json()["items"] == []
        assert await accounts_of_app(app).directory.store.load_user(theirs.user_id) == theirs

    async def test_nobody_gives_more_than_it_has(self, app: FastAPI) -> None:
        admin = await add_user(app, Role.ADMIN)
        _, text = await add_token(app, Scope.ADMIN, Scope.JOBS_READ)
        async with stranger_of(app, authorization=f"Bearer {text}") as narrow:
            assert (await narrow.post(USERS, json=NEW | {"role": "admin"})).status_code == 403
            assert (await narrow.patch(f"{USERS}/{admin.user_id}", json={"password": PASSWORD})).status_code == 403
            assert (await narrow.post(TOKENS, json={"name": "x", "scopes": ["ingest"]})).status_code == 403
            assert (await narrow.post(TOKENS, json={"name": "x", "scopes": ["jobs:read"]})).status_code == 201


class TestTokens:
    async def test_a_token_is_shown_once_and_works(self, app: FastAPI, http: httpx2.AsyncClient) -> None:
        made = await http.post(TOKENS, json={"name": "n8n", "scopes": ["jobs:read", "ingest"]})
        text = made.json().pop("token")
        assert made.status_code == 201
        assert text.startswith(f"kbm_{made.json()['id']}_")
        listed = (await http.get(TOKENS)).json()["items"]
        assert [{**item, "token": text} for item in listed] == [made.json()]
        assert text not in (await http.get(TOKENS)).text
        for headers in ({"x-ingest-token": text}, {"authorization": f"Bearer {text}"}):
            async with stranger_of(app, **headers) as program:
                assert (await program.get(JOBS)).status_code == 200
                assert (await program.get("/api/v1/calendar")).status_code == 403
                assert (await program.get(ME)).json()["method"] == "token"

    @pytest.mark.parametrize("change", ["secret", "id", "prefix", "case", "tail", "head"])
    async def test_a_changed_token_is_refused(self, app: FastAPI, change: str) -> None:
        _, text = await add_token(app, Scope.JOBS_READ)
        changed = {
            "secret": text[:-1] + ("A" if text[-1] != "A" else "B"),
            "id": text.replace(text[4:20], "0" * 16),
            "prefix": text.replace("kbm_", "kbn_"),
            "case": text.upper(),
            "tail": f"{text}=",
            "head": f" kbm_{text}",
        }[change]
        for headers in ({"x-ingest-token": changed}, {"authorization": f"Bearer {changed}"}):
            async with stranger_of(app, **headers) as program:
                assert (await program.get(JOBS)).status_code == 401

    async def test_a_revoked_token_is_refused_at_once_in_its_process(
        self, app: FastAPI, http: httpx2.AsyncClient
    ) -> None:
        token, text = await add_token(app, Scope.JOBS_READ)
        async with stranger_of(app, **{"x-ingest-token": text}) as program:
            assert (await program.get(JOBS)).status_code == 200
            revoked = await http.delete(f"{TOKENS}/{token.token_id}")
            assert revoked.json()["revoked_at"]
            assert (await program.get(JOBS)).status_code == 401
        assert (await http.delete(f"{TOKENS}/{token.token_id}")).json() == revoked.json()

    async def test_an_expired_token_is_refused(self, app: FastAPI) -> None:
        now = datetime.now(UTC)
        for expires_at, status in ((now + timedelta(minutes=1), 200), (now - timedelta(seconds=1), 401)):
            _, text = await add_token(app, Scope.JOBS_READ, expires_at=expires_at)
            async with stranger_of(app, **{"x-ingest-token": text}) as program:
                assert (await program.get(JOBS)).status_code == status

    async def test_the_last_use_is_noted(self, app: FastAPI, http: httpx2.AsyncClient) -> None:
        _, text = await add_token(app, Scope.JOBS_READ)
        assert (await http.get(TOKENS)).json()["items"][0]["last_used_at"] is None
        async with stranger_of(app, **{"x-ingest-token": text}) as program:
            await program.get(JOBS)
        await asyncio.gather(*accounts_of_app(app).directory._touching)
        assert (await http.get(TOKENS)).json()["items"][0]["last_used_at"]

    async def test_another_owners_token_is_not_found(self, app: FastAPI, http: httpx2.AsyncClient) -> None:
        theirs, text = await add_token(app, Scope.JOBS_READ, owner="another")
        for token_id in (theirs.token_id, "0" * 16):
            assert (await http.delete(f"{TOKENS}/{token_id}")).status_code == 404
        assert (await http.get(TOKENS)).json()["items"] == []
        async with stranger_of(app, **{"x-ingest-token": text}) as program:
            assert (await program.get(ME)).json()["owner"] == "another"

    @pytest.mark.parametrize(
        "values",
        [
            {"name": ""},
            {"name": " n8n"},
            {"name": "a\nb"},
            {"name": "a\x00"},
            {"name": "\x00"},
            {"name": "x" * 81},
            {"scopes": []},
            {"scopes": ["root"]},
            {"scopes": ["ingest"] * (len(Scope) + 1)},
            {"expires_days": 0},
            {"expires_days": 3651},
            {"owner": "another"},
        ],
        ids=str,
    )
    async def test_bad_values_are_refused(self, http: httpx2.AsyncClient, values: dict[str, Any]) -> None:
        answer = await http.post(TOKENS, json={"name": "n8n", "scopes": ["ingest"]} | values)
        assert answer.status_code == 422

    async def test_days_become_an_expiry(self, http: httpx2.AsyncClient) -> None:
        made = (await http.post(TOKENS, json={"name": "n8n", "scopes": ["ingest"], "expires_days": 90})).json()
        left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
        assert timedelta(days=89, hours=23) < left <= timedelta(days=90)
