"""Logging in for a JWT: by user, by token and by Supabase; what is refused, and how fast."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.accounts.passwords import Passwords
from kaboom.errors import InvalidRequest
from kaboom.telemetry.logs import tap_lines
from kaboom.web.auth.scopes import Role, Scope
from kaboom.web.caller_errors import TooManyLogins
from tests.fixtures.accounts.callers import (
    LOGIN,
    ME,
    PASSWORD,
    accounts_of_app,
    add_token,
    add_user,
    jwt_of,
    stranger_of,
)
from tests.fixtures.accounts.jwts import JWT_KEY, Project, supabase
from tests.fixtures.jobs.apps import JOBS, OTHER_OWNER, OTHER_TOKEN, TOKEN, memory_settings, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stranger(app: FastAPI) -> Any:
    """A client without a credential."""
    async with stranger_of(app) as http:
        yield http


@pytest.fixture
def project() -> Iterator[Project]:
    """A Supabase project."""
    with supabase() as made:
        yield made


async def me(app: FastAPI, token: str) -> httpx2.Response:
    async with stranger_of(app, authorization=f"Bearer {token}") as http:
        return await http.get(ME)


async def test_a_user_logs_in_for_a_jwt(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    user = await add_user(app, Role.VIEWER, name="taro@example.com")
    answer = await stranger.post(LOGIN, json={"user": "Taro@Example.com", "password": PASSWORD})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found = await me(app, answer.json()["token"])
    assert found.json() == answer.json()["me"] == {
        "subject": user.user_id,
        "name": "taro@example.com",
        "owner": "ingest",
        "method": "jwt",
        "role": "viewer",
        "scopes": ["bars:read", "jobs:read", "portfolios:read"],
    }  # fmt: skip
    lives = datetime.fromisoformat(answer.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < lives <= timedelta(hours=12)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_of_a_bearer_may_have_any_case(app: FastAPI, scheme: str) -> None:
    token = await jwt_of(app, await add_user(app))
    async with stranger_of(app, authorization=f"{scheme} {token}") as http:
        assert (await http.get(JOBS)).status_code == 200


@pytest.mark.parametrize(
    "values",
    [
        {"password": "wrong"},
        {"password": PASSWORD.upper()},
        {"user": "nobody@example.com"},
        {"user": "'; DROP TABLE users; --"},
        {"user": "\x00\u202e"},
        {"user": "x" * 200, "password": "x" * 1000},
    ],
    ids=str,
)
async def test_a_wrong_name_and_a_wrong_password_answer_alike(
    app: FastAPI, stranger: httpx2.AsyncClient, values: dict[str, str]
) -> None:
    await add_user(app, name="taro@example.com")
    answer = await stranger.post(LOGIN, json={"user": "taro@example.com", "password": PASSWORD} | values)
    assert (answer.status_code, answer.json()["detail"]) == (401, "the name or the password was wrong")


async def test_a_disabled_user_cannot_log_in(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    user = await add_user(app, is_disabled=True)
    answer = await stranger.post(LOGIN, json={"user": user.name, "password": PASSWORD})
    assert (answer.status_code, answer.json()["detail"]) == (401, "the name or the password was wrong")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": "taro"},
        {"password": PASSWORD},
        {"user": "taro", "password": PASSWORD, "token": "x"},
        {"user": "taro", "token": "x"},
        {"user": 7, "password": []},
        {"user": "taro", "password": "x" * 1001},
        {"token": "x" * 8193},
        {"user": "taro", "password": PASSWORD, "role": "admin"},
    ],
    ids=lambda body: str(body)[:60],
)
async def test_a_body_of_another_form_is_refused(stranger: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    answer = await stranger.post(LOGIN, json=body)
    assert answer.status_code == 422
    assert PASSWORD not in answer.text
    assert len(answer.content) < 4096


async def test_an_ingest_token_logs_in(tmp_path: Path, anyio_backend: str) -> None:
    async with running(memory_settings(tmp_path, ingest_api_token=f"{TOKEN} a-second-token-of-tests")) as app:
        for token in (TOKEN, "a-second-token-of-tests"):
            async with stranger_of(app) as http:
                answer = await http.post(LOGIN, json={"token": token})
            assert (await me(app, answer.json()["token"])).json()["subject"] == "ingest_token"
        kept = answer.json()["token"]
        accounts_of_app(app).directory.ingest._digests = accounts_of_app(app).directory.ingest._digests[:1]
        assert (await me(app, kept)).status_code == 401  # the second token is gone, and with it what it logged in


async def test_an_api_token_logs_in_until_it_is_revoked(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    token, text = await add_token(app, Scope.JOBS_READ)
    answer = await stranger.post(LOGIN, json={"token": text})
    assert answer.json()["me"]["scopes"] == ["jobs:read"]
    jwt = answer.json()["token"]
    assert (await me(app, jwt)).status_code == 200
    await accounts_of_app(app).directory.store.revoke_token("ingest", token.token_id)
    accounts_of_app(app).directory.forget(token.token_id)
    assert (await me(app, jwt)).status_code == 401
    assert (await stranger.post(LOGIN, json={"token": text})).status_code == 401


@pytest.mark.parametrize("token", ["wrong", "kbm_0123456789abcdef_" + "A" * 43, "a.b.c", "トークン", " ", OTHER_TOKEN])
async def test_a_wrong_token_is_refused(stranger: httpx2.AsyncClient, token: str) -> None:
    assert OTHER_OWNER
    answer = await stranger.post(LOGIN, json={"token": token})
    assert (answer.status_code, answer.json()["detail"]) == (401, "the token was wrong, expired or revoked")


async def test_a_supabase_user_logs_in_and_calls_with_its_own_jwt(tmp_path: Path, project: Project) -> None:
    async with running(memory_settings(tmp_path, supabase_url=project.url)) as app, stranger_of(app) as http:
        token = project.sign()
        found = await me(app, token)
        assert found.json()["role"] == "operator"
        assert (await http.post(LOGIN, json={"token": token})).status_code == 422  # it is a bearer itself
        roleless = await me(app, project.sign(app_metadata={}))
        assert (roleless.status_code, roleless.json()["scopes"]) == (200, [])
        async with stranger_of(app, authorization=f"Bearer {project.sign(app_metadata={})}") as nobody:
            assert (await nobody.get(JOBS)).status_code == 403


async def test_keys_of_the_settings_rotate(tmp_path: Path, anyio_backend: str) -> None:
    new_key = "a-new-key-of-the-tests-with-more-than-32-bytes"
    async with running(memory_settings(tmp_path, jwt_secret_key=JWT_KEY)) as app:
        user = await add_user(app)
        old = await jwt_of(app, user)
    for keys, status in ((f"{new_key} {JWT_KEY}", 200), (new_key, 401)):
        async with running(memory_settings(tmp_path, jwt_secret_key=keys)) as app:
            await accounts_of_app(app).directory.store.add_user(user)
            assert (await me(app, old)).status_code == status


async def test_without_a_key_in_the_settings_the_ledger_has_one(app: FastAPI, tmp_path: Path) -> None:
    token = await jwt_of(app, await add_user(app))
    async with running(memory_settings(tmp_path)) as other:
        assert (await me(other, token)).status_code == 401


async def test_failed_logins_of_an_account_are_slowed(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    user = await add_user(app)
    wrong = {"user": user.name, "password": "wrong"}
    statuses = [(await stranger.post(LOGIN, json=wrong)).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    answer = await stranger.post(LOGIN, json={"user": user.name, "password": PASSWORD})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_tokens_cannot_be_guessed_at_speed(stranger: httpx2.AsyncClient) -> None:
    statuses = [(await stranger.post(LOGIN, json={"token": f"guess-{n}"})).status_code for n in range(6)]
    assert statuses == [401] * 5 + [429]
    assert (await stranger.post(LOGIN, json={"token": TOKEN})).status_code == 429


async def test_logins_that_succeed_are_never_slowed(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    await add_user(app, Role.VIEWER, name="taro")
    right, wrong = ({"user": "taro", "password": word} for word in (PASSWORD, "not the password"))
    for body in (right, {"token": TOKEN}):
        assert {(await stranger.post(LOGIN, json=body)).status_code for _ in range(8)} == {200}
    statuses = [(await stranger.post(LOGIN, json=body)).status_code for body in (*[wrong] * 4, right, *[wrong] * 1)]
    assert statuses == [401] * 4 + [200, 401]


async def test_a_page_of_another_server_cannot_log_in(app: FastAPI) -> None:
    user = await add_user(app)
    async with stranger_of(app, origin="https://evil.example.com") as http:
        assert (await http.post(LOGIN, json={"user": user.name, "password": PASSWORD})).status_code == 403


async def test_no_log_line_has_a_password_or_a_token(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    lines: list[str] = []
    end = tap_lines(lambda line: lines.append(str(dict(line))))
    user = await add_user(app)
    jwt = (await stranger.post(LOGIN, json={"user": user.name, "password": PASSWORD})).json()["token"]
    await stranger.post(LOGIN, json={"user": user.name, "password": "wrong-secret"})
    await me(app, jwt)
    end()
    assert not [line for line in lines if PASSWORD in line or jwt in line or "wrong-secret" in line]


class TestPasswords:
    async def test_a_hash_is_argon2id_and_salted(self, anyio_backend: str) -> None:
        passwords = Passwords()
        one, other = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
        assert one != other
        assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await passwords.verify(PASSWORD, one)
        for wrong in ("x", PASSWORD[:-1], f"{PASSWORD}x", PASSWORD.upper()):
            assert not await passwords.verify(wrong, one)

    async def test_beyond_a_queue_of_logins_the_next_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kaboom.accounts.passwords._MOST_WAITING", 3)
        passwords = Passwords()
        answers = await asyncio.gather(*(passwords.verify("x", None) for _ in range(5)), return_exceptions=True)
        assert [isinstance(each, TooManyLogins) for each in answers] == [False] * 3 + [True] * 2

    @pytest.mark.parametrize("kept", [None, "", "$argon2id$", "plain", "$2b$12$x"])
    async def test_what_is_no_hash_matches_nothing(self, kept: str | None) -> None:
        assert not await Passwords().verify("nobody has this password", kept)

    async def test_the_same_letters_of_another_keyboard_match(self, anyio_backend: str) -> None:
        passwords = Passwords()
        assert await passwords.verify("ＡＢＣ８３６１７５２９ｶﾞ", await passwords.hash("ABC83617529ガ"))

    @pytest.mark.parametrize("length", [0, 11, 257, 100_000])
    async def test_a_short_or_endless_password_is_refused(self, length: int) -> None:
        with pytest.raises(InvalidRequest, match=f"the password had {length} characters, expected 12 to 256"):
            await Passwords().hash("x" * length)

    @pytest.mark.parametrize("length", [12, 256])
    async def test_a_password_at_either_bound_is_accepted_whole(self, length: int) -> None:
        passwords, password = Passwords(), "".join(chr(0x3041 + n * n * 7 % 80) for n in range(length))
        kept = await passwords.hash(password)
        assert await passwords.verify(password, kept)
        assert not await passwords.verify(f"{password}x", kept)

    async def test_a_name_that_nobody_has_takes_a_comparison_as_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[str] = []

        def compare(_hasher: object, kept: str, _given: str) -> bool:
            compared.append(kept)
            return False

        monkeypatch.setattr("kaboom.accounts.passwords._matches", compare)
        passwords = Passwords()
        assert not any([await passwords.verify("x", None), await passwords.verify("x", None)])
        one, other = compared
        assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert other == one
