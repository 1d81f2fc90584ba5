"""All operations by all kinds of callers: none gets what it may not have. The rows are in `matrix.py`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from fastapi import FastAPI
from starlette.types import Message

from kaboom.web.auth.cookies import session_id_of
from kaboom.web.auth.guard import stated_scopes
from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.callers import (
    PASSWORD,
    accounts_of_app,
    add_token,
    add_user,
    browser_of,
    jwt_of,
    stranger_of,
)
from tests.fixtures.accounts.jwts import JWT_KEY, ec_key, encode_raw
from tests.fixtures.jobs.analyses import ANALYSE, SESSION, ingest
from tests.fixtures.jobs.apps import INGEST, RUN_DAILY, SCHEDULES, TOKEN, client_of, memory_settings, running
from tests.fixtures.notifications.rules import KEY
from tests.fixtures.portfolio.held import hold
from tests.fixtures.servers.receivers import SECRET
from tests.web.auth.matrix import PIPELINE_STEP, PUBLIC, ROWS

pytestmark = pytest.mark.anyio
HOOK = "https://hooks.example.com/kaboom"
NOTIFICATIONS = "/api/v1/notifications"
ALL = tuple(Scope)
#: What only those may read who may read the portfolio; its analysis says the last.
HELD = ("secret holdings", "7203/position")
READS = [name for name in ROWS if name.startswith("GET ")]
DRAWN = ".png"
#: After these the caller is logged out.
ENDS_CALLER = ("POST /api/v1/me/password", "DELETE /api/v1/session", "POST /logout")

type Headers = Mapping[str, str]


#: The jobs of paths that have one of these parts; those of others are ingests.
OTHER_JOBS = {
    "/market-data/": "market_job_id",
    "/backtest/": "backtest_job_id",
    "/ai-analysis/": "analysis_job_id",
    "/notifications/": "notification_job_id",
    "/analyses/": "analysis_job_id",
}


@dataclass(frozen=True)
class World:
    """An API, and one object of each kind that the owner `ingest` has."""

    app: FastAPI
    ids: Mapping[str, str]

    async def ask(self, name: str, headers: Headers, *, form: str = "") -> httpx2.Response:
        """Call an operation on these objects, with the form of its row or another one."""
        method, _, path = name.partition(" ")
        row = replace(ROWS[name], form=form or ROWS[name].form)
        ids = dict(self.ids)
        for queue, known in OTHER_JOBS.items():
            if queue in path:
                ids["job_id"] = ids.get(known, "")
        if row.is_stream:
            return await _begin_stream(self.app, path.format(**ids), headers)
        kind = {"content-type": "application/x-www-form-urlencoded"} if row.form else {}
        async with stranger_of(self.app, **headers, **kind) as http:
            content = row.form.format(**ids) or None
            return await http.request(method, path.format(**ids) + row.query, json=row.body, content=content)

    async def state(self) -> dict[str, Any]:
        """Return the objects as their owner sees them; what changes by itself is left out."""
        shown = {}
        async with client_of(self.app) as http:
            for path in (
                f"{INGEST}/jobs/{self.ids['job_id']}",
                f"/api/v1/market-data/jobs/{self.ids['market_job_id']}",
                f"/api/v1/backtest/jobs/{self.ids['backtest_job_id']}",
                f"/api/v1/ai-analysis/jobs/{self.ids['analysis_job_id']}",
                f"{SCHEDULES}/{self.ids['schedule_id']}",
                f"/api/v1/pipelines/{self.ids['pipeline']}",
                f"/api/v1/screens/{self.ids['screen']}",
                f"/api/v1/users/{self.ids['user_id']}",
                f"/api/v1/portfolios/{self.ids['portfolio_id']}",
                f"{INGEST}/webhooks/{self.ids['delivery_id']}",
                f"{NOTIFICATIONS}/rules/{self.ids['rule_id']}",
                f"{NOTIFICATIONS}/channels/{self.ids['channel_id']}",
            ):
                shown[path] = (await http.get(path)).json()
            tokens = (await http.get("/api/v1/tokens")).json()["items"]
            shown["tokens"] = [t for t in tokens if t["id"] == self.ids["token_id"]]
            jobs, users = (await http.get("/api/v1/jobs")).json(), (await http.get("/api/v1/users")).json()
            schedules = (await http.get(SCHEDULES)).json()
            portfolios = (await http.get("/api/v1/portfolios")).json()
            shown["counts"] = [len(found["items"]) for found in (jobs, users, schedules, portfolios)]
        shown[f"{SCHEDULES}/{self.ids['schedule_id']}"].pop("next_due")
        # The courier tries to send it meanwhile.
        delivery = shown[f"{INGEST}/webhooks/{self.ids['delivery_id']}"]
        shown["delivery"] = [delivery.pop(name) for name in ("id", "job_id", "url")]
        delivery.clear()
        return shown


async def _begin_stream(app: FastAPI, path: str, headers: Headers) -> httpx2.Response:
    """Return the head of an answer that goes on, without its body."""
    started: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await started
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start" and not started.done():
            started.set_result(message)

    raw = [(b"host", b"kaboom"), *((name.encode(), value.encode()) for name, value in headers.items())]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": raw, "client": ("127.0.0.1", 1), "scheme": "http", "server": ("kaboom", 80)}
    running_app = asyncio.create_task(app(scope | {"http_version": "1.1", "root_path": ""}, receive, send))
    head = await started
    running_app.cancel()
    await asyncio.gather(running_app, return_exceptions=True)
    return httpx2.Response(head["status"], headers=head["headers"])


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The tests share a loop, and in it a world."""
    return "asyncio"


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[World]:
    """The API with objects of the owner `ingest`, which no test changes."""
    async with make_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@contextlib.asynccontextmanager
async def make_world(folder: Path) -> AsyncIterator[World]:
    """Give a new one."""
    settings = memory_settings(
        folder,
        jwt_secret_key=JWT_KEY,
        webhook_secret=SECRET,
        webhook_hosts="hooks.example.com:443",
        notification_key=KEY,
    )
    async with running(settings) as app, client_of(app) as http:
        ids = {"symbol": "7203", "queue": "ingest", "name": "summary.json"}
        body = dict(ROWS[f"POST {RUN_DAILY}"].body or {}) | {"callback_url": HOOK}
        accepted = await http.post(RUN_DAILY, json=body)
        ids["job_id"] = accepted.json()["job_id"]
        compact = await http.post("/api/v1/market-data/compact", json=ROWS["POST /api/v1/market-data/compact"].body)
        ids["market_job_id"] = compact.json()["job_id"]
        await ingest(http)
        ids["portfolio_id"] = await hold(http)
        backtest = await http.post("/api/v1/backtest/run", json=ROWS["POST /api/v1/backtest/run"].body)
        ids["backtest_job_id"] = backtest.json()["job_id"]
        await http.get(f"/api/v1/backtest/jobs/{ids['backtest_job_id']}", headers={"Prefer": "wait=20"})
        # The analysis of a portfolio, with a result, files, a log and events.
        judged = {"portfolio_id": ids["portfolio_id"], "session": SESSION, "sessions": 100}
        ids["analysis_job_id"] = (await http.post(ANALYSE, json=judged)).json()["job_id"]
        jobs = {"ingest": "job_id", "market-data": "market_job_id", "ai-analysis": "analysis_job_id"}
        for path in (f"/api/v1/{queue}/jobs/{ids[name]}" for queue, name in jobs.items()):
            ended = await http.get(path, headers={"Prefer": "wait=20"})
            assert ended.json()["status"] == "completed", ended.text
        new = {"name": "nightly", "cron": "0 18 * * *", "request": {"intervals": {"1d": 1}, "symbols": ["7203"]}}
        ids["schedule_id"] = (await http.post(SCHEDULES, json=new)).json()["schedule_id"]
        declared = {"name": "morning", "steps": [PIPELINE_STEP]}
        ids["pipeline"] = (await http.post("/api/v1/pipelines", json=declared)).json()["name"]
        screen = {"name": "rising", "expression": "change_1d > 0"}
        ids["screen"] = (await http.post("/api/v1/screens", json=screen)).json()["name"]
        started = await http.post("/api/v1/pipelines/morning/runs", json={})
        ids["run_id"] = started.json()["items"][0]["run_id"]
        # Its job would appear in the middle of a test.
        async with asyncio.timeout(60):
            while (await http.get(f"/api/v1/pipeline-runs/{ids['run_id']}")).json()["ended_at"] is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        ids["delivery_id"] = (await http.get(f"{INGEST}/webhooks")).json()["items"][0]["id"]
        ids |= await set_up_notifications(http)
        ids["user_id"] = (await add_user(app, Role.VIEWER, name="secret-name@example.com")).user_id
        admin = await add_user(app, Role.ADMIN)
        async with contextlib.aclosing(await browser_of(app, user=admin.name, password=PASSWORD)) as browser:
            ids["session_id"] = session_id_of(next(iter(browser.cookies.values())))[:16]
        ids["token_id"] = (await add_token(app, Scope.BARS_READ))[0].token_id
        yield World(app, ids)


async def set_up_notifications(http: httpx2.AsyncClient) -> dict[str, str]:
    """Make a channel, a rule of it, a message and a job that sends; return their ids."""
    new = {"name": "secret channel", "kind": "webhook", "url": HOOK, "is_enabled": False}
    channel_id = (await http.post(f"{NOTIFICATIONS}/channels", json=new)).json()["id"]
    rule = {"name": "secret rule", "channel_id": channel_id, "events": ["worker_lost"]}
    rule_id = (await http.post(f"{NOTIFICATIONS}/rules", json=rule)).json()["id"]
    message_id = (await http.post(f"{NOTIFICATIONS}/channels/{channel_id}/test")).json()["id"]
    job = (await http.post(f"{NOTIFICATIONS}/deliver", json={"channel_id": channel_id})).json()["job_id"]
    await http.get(f"{NOTIFICATIONS}/jobs/{job}", headers={"Prefer": "wait=20"})
    return {"channel_id": channel_id, "rule_id": rule_id, "message_id": message_id, "notification_job_id": job}


def by_header(token: str) -> Headers:
    return {"x-ingest-token": token}


def by_bearer(token: str) -> Headers:
    return {"authorization": f"Bearer {token}"}


async def by_cookie(app: FastAPI, *, csrf: bool = True, **body: str) -> Headers:
    """Return the headers of a browser that has logged in."""
    browser = await browser_of(app, **body)
    name = "__Host-kaboom"
    headers = {"cookie": f"{name}={browser.cookies[name]}", "origin": "https://kaboom"}
    return headers | ({"x-csrf-token": browser.headers["x-csrf-token"]} if csrf else {})


async def own_jwt(app: FastAPI, subject: str, *, key: str = JWT_KEY, kid: str | None = None, **values: Any) -> str:
    """Return a JWT of Kaboom's form, with some claims changed."""
    real = await jwt_of(app, await add_user(app))
    now = int(time.time())
    payload = {"iss": "kaboom", "aud": "kaboom", "sub": subject, "iat": now, "exp": now + 600} | values
    head = {"kid": kid or jwt.get_unverified_header(real)["kid"]}
    return jwt.encode(payload, key, algorithm="HS256", headers=head)


async def strangers(app: FastAPI) -> dict[str, Headers]:
    """Return callers that are nobody: all of them get 401."""
    admin = await add_user(app, Role.ADMIN)
    subject = admin.user_id
    disabled = await add_user(app, Role.ADMIN)
    of_disabled = await jwt_of(app, disabled)
    cookie_of_disabled = await by_cookie(app, user=disabled.name, password=PASSWORD)
    revoked, revoked_text = await add_token(app, *ALL)
    cookie_of_revoked = await by_cookie(app, token=revoked_text)
    _, expired_text = await add_token(app, *ALL, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    expired_cookie, idle_cookie = [await by_cookie(app, token=TOKEN) for _ in range(2)]
    store = accounts_of_app(app).directory.store
    await _age(app, expired_cookie, expires_at=datetime.now(UTC))
    await _age(app, idle_cookie, seen_at=datetime.now(UTC) - timedelta(hours=12))
    signed_out = await add_user(app, Role.ADMIN)
    of_signed_out = await jwt_of(app, signed_out)
    cookie_of_signed_out = await by_cookie(app, user=signed_out.name, password=PASSWORD)
    async with client_of(app) as http:
        await http.patch(f"/api/v1/users/{disabled.user_id}", json={"is_disabled": True})
        await http.delete(f"/api/v1/tokens/{revoked.token_id}")
    await store.sign_out(signed_out.user_id, datetime.now(UTC))
    accounts_of_app(app).directory.forget(signed_out.user_id)
    past, now = int(time.time()) - 7200, int(time.time())
    payload = {"iss": "kaboom", "aud": "kaboom", "sub": subject, "iat": now, "exp": now + 600}
    good = await own_jwt(app, subject)
    kid = jwt.get_unverified_header(good)["kid"]
    return {
        "none": {},
        "none: empty headers": {"x-ingest-token": "", "authorization": "", "cookie": ""},
        "malformed: token": by_header("x"),
        "malformed: token of 10,000 characters": by_header("x" * 10_000),
        "malformed: INGEST_API_TOKEN cut off": by_header(TOKEN[:-1]),
        "malformed: INGEST_API_TOKEN as a bearer": by_bearer(TOKEN),
        "malformed: kbm_": by_header("kbm_" + "0" * 16 + "_" + "A" * 43),
        "malformed: bearer": by_bearer("x"),
        "malformed: another scheme": {"authorization": f"Basic {good}"},
        "malformed: cut off": by_bearer(good[:-4]),
        "malformed: cookie": {"cookie": "__Host-kaboom=" + "A" * 43, "origin": "https://kaboom"},
        "forged: none": by_bearer(encode_raw({"alg": "none", "kid": kid}, payload)),
        "forged: 5-byte key": by_bearer(encode_raw({"alg": "HS256", "kid": kid}, payload, b"short")),
        "forged: another key": by_bearer(await own_jwt(app, subject, key="x" * 40)),
        "forged: ES256": by_bearer(jwt.encode(payload, ec_key(), algorithm="ES256", headers={"kid": kid})),
        "forged: far future": by_bearer(await own_jwt(app, subject, exp=10**18)),
        "forged: another subject": by_bearer(await own_jwt(app, "usr_" + "0" * 32)),
        "forged: subject of Supabase": by_bearer(await own_jwt(app, "supabase:8d7f")),
        "forged: subject of INGEST_API_TOKEN": by_bearer(await own_jwt(app, "ingest_" + "0" * 32)),
        "expired: JWT": by_bearer(await own_jwt(app, subject, iat=past, exp=past + 60)),
        "expired: token": by_header(expired_text),
        "expired: session": expired_cookie,
        "expired: idle session": idle_cookie,
        "wrong audience": by_bearer(await own_jwt(app, subject, aud="authenticated")),
        "wrong issuer": by_bearer(await own_jwt(app, subject, iss="https://x.supabase.co/auth/v1")),
        "revoked: token": by_header(revoked_text),
        "revoked: token as a bearer": by_bearer(revoked_text),
        "revoked: session of a token": cookie_of_revoked,
        "revoked: JWT of a disabled user": by_bearer(of_disabled),
        "revoked: session of a disabled user": cookie_of_disabled,
        "revoked: JWT before a log-out everywhere": by_bearer(of_signed_out),
        "revoked: session before a log-out everywhere": cookie_of_signed_out,
    }


async def _age(app: FastAPI, headers: Headers, **values: Any) -> None:
    store = accounts_of_app(app).directory.store
    session_id = session_id_of(headers["cookie"].partition("=")[2])
    session = await store.load_session(session_id)
    assert session
    await store.end_session(session_id)
    await store.add_session(replace(session, **values))


def missing_rows(app: FastAPI) -> set[str]:
    """Return the operations that have no row."""
    return {f"{method} {path}" for method, path, _ in stated_scopes(app.routes)} - ROWS.keys() - PUBLIC


async def test_every_operation_has_a_row(app: FastAPI) -> None:
    assert missing_rows(app) == set(), "add a row to tests/web/auth/matrix.py for each of these"
    known = {f"{method} {path}" for method, path, _ in stated_scopes(app.routes)}
    assert (ROWS.keys() | PUBLIC) == known
    app.add_api_route("/api/v1/new", lambda: None, methods=["POST"])
    assert missing_rows(app) == {"POST /api/v1/new"}


async def test_every_row_and_its_route_say_the_same_scope(app: FastAPI) -> None:
    stated = {f"{method} {path}": scopes for method, path, scopes in stated_scopes(app.routes)}
    assert {name: stated[name] for name in ROWS} == {name: row.scopes for name, row in ROWS.items()}


async def test_nobody_gets_401_everywhere(world: World) -> None:
    before, leaks = await world.state(), list[str]()
    for kind, headers in (await strangers(world.app)).items():
        for name in ROWS:
            answer = await world.ask(name, headers)
            if answer.status_code != 401 or any(value in answer.text for value in secrets_of(world)):
                leaks.append(f"{name} answered {answer.status_code} to {kind}")
    assert leaks == []
    # The callers of the matrix are users of the same owner.
    after = await world.state()
    assert {k: v for k, v in after.items() if k != "counts"} == {k: v for k, v in before.items() if k != "counts"}
    assert [after["counts"][n] for n in (0, 2, 3)] == [before["counts"][n] for n in (0, 2, 3)]


def secrets_of(world: World) -> list[str]:
    """Return what only the owner of the objects may read."""
    # An id that the caller sent itself is in `instance`, and in the detail of a 404.
    return ["secret-name@example.com", HOOK, "nightly", *HELD, "secret channel", "secret rule"]


async def other_owners(app: FastAPI) -> dict[str, Headers]:
    """Return callers of another owner who may do everything there."""
    admin = await add_user(app, Role.ADMIN, owner="another")
    _, text = await add_token(app, *ALL, owner="another")
    return {
        "JWT": by_bearer(await jwt_of(app, admin)),
        "token": by_header(text),
        "session": await by_cookie(app, user=admin.name, password=PASSWORD),
    }


async def test_another_owner_finds_nothing(world: World) -> None:
    before, leaks = await world.state(), list[str]()
    for kind, headers in (await other_owners(world.app)).items():
        for name, row in ROWS.items():
            if name in ENDS_CALLER:
                continue
            answer = await world.ask(name, headers)
            has_object = "_id}" in name or row.is_one
            ids = [] if has_object else [value for key, value in world.ids.items() if key.endswith("_id")]
            is_open = answer.status_code != 404 if has_object else answer.status_code not in row.fine | {200, 409}
            if is_open or any(value in answer.text for value in [*secrets_of(world), *ids]):
                leaks.append(f"{name} answered {answer.status_code} to a {kind} of another owner")
    assert leaks == []
    assert await world.state() == before


async def low_callers(app: FastAPI, lacking: Scope) -> dict[str, Headers]:
    """Return callers of the right owner who have every scope but one."""
    _, text = await add_token(app, *(scope for scope in Scope if scope is not lacking))
    return {"token": by_header(text), "session": await by_cookie(app, token=text)}


async def test_a_caller_without_the_scope_gets_403(world: World) -> None:
    before, leaks = await world.state(), list[str]()
    by_scope = {scope: await low_callers(world.app, scope) for scope in Scope}
    viewer = by_bearer(await jwt_of(world.app, await add_user(world.app, Role.VIEWER)))
    count = len(ROWS) + 1
    for name, row in ROWS.items():
        callers = {f"{kind} without {scope}": by_scope[scope][kind] for scope in row.needed for kind in by_scope[scope]}
        if row.scope and row.scope not in {Scope.JOBS_READ, Scope.BARS_READ, Scope.PORTFOLIOS_READ}:
            callers["viewer"] = viewer
        for kind, headers in callers.items():
            answer = await world.ask(name, headers)
            if answer.status_code != 403 or any(value in answer.text for value in secrets_of(world)):
                leaks.append(f"{name} answered {answer.status_code} to a {kind}")
            count -= kind == f"token without {row.scope}"
    assert leaks == []
    assert count < len(ROWS)
    after = await world.state()
    assert {k: v for k, v in after.items() if k != "counts"} == {k: v for k, v in before.items() if k != "counts"}


async def test_without_the_scope_no_answer_shows_what_a_portfolio_holds(world: World) -> None:
    """Whatever the operation is about: lists, searches, pages and streams of jobs included."""
    leaks = list[str]()
    for kind, headers in (await low_callers(world.app, Scope.PORTFOLIOS_READ)).items():
        for name in READS:
            # A picture has no text.
            if name.endswith(DRAWN):
                continue
            answer = await world.ask(name, headers)
            leaks += [f"{name} showed {value} to a {kind}" for value in HELD if value in answer.text]
    assert leaks == []
    async with client_of(world.app) as http:
        shown = (await http.get(f"/api/v1/ai-analysis/jobs/{world.ids['analysis_job_id']}")).text
    assert HELD[-1] in shown


async def test_a_session_without_its_csrf_token_changes_nothing(world: World) -> None:
    before = await world.state()
    browser = await by_cookie(world.app, csrf=False, token=TOKEN)
    answers = {name: (await world.ask(name, browser)).status_code for name in ROWS}
    reads = {name: status for name, status in answers.items() if name.startswith("GET ")}
    assert {name: status for name, status in reads.items() if status not in ROWS[name].fine} == {}
    assert {status for name, status in answers.items() if name not in reads} == {403}
    assert await world.state() == before


KINDS = ("token", "token as a bearer", "JWT", "session", "INGEST_API_TOKEN")


async def right_caller(app: FastAPI, kind: str, scopes: tuple[Scope, ...]) -> Headers:
    """Return a caller of a kind with the scopes of a row, and no other where its kind allows."""
    # Who makes users and tokens needs the scopes that it gives.
    held = ALL if Scope.ADMIN in scopes else scopes
    _, text = await add_token(app, *held)
    if kind == "JWT":
        return by_bearer(await jwt_of(app, await add_user(app, Role.ADMIN)))
    if kind == "session":
        return await by_cookie(app, token=text)
    return {"token": by_header(text), "token as a bearer": by_bearer(text)}.get(kind, by_header(TOKEN))


async def wrong_answers(world: World, kind: str, names: Sequence[str]) -> list[str]:
    """Ask some operations, each as the right caller of a kind; return those that did not answer well."""
    callers = {scopes: await right_caller(world.app, kind, scopes) for scopes in {row.needed for row in ROWS.values()}}
    wrong = []
    for name in names:
        answer = await world.ask(name, callers[ROWS[name].needed])
        if answer.status_code not in ROWS[name].fine:
            wrong.append(f"{name} answered {answer.status_code} to a {kind}: {answer.text[:200]}")
    return wrong


async def test_the_right_caller_reads(world: World) -> None:
    # A process of its own draws a picture: one kind of caller asks for those, and the session without a CSRF token.
    others = [name for name in READS if not name.endswith(DRAWN)]
    reads = {kind: READS if kind == KINDS[0] else others for kind in KINDS}
    assert [wrong for kind, names in reads.items() for wrong in await wrong_answers(world, kind, names)] == []


@pytest.mark.parametrize("kind", KINDS)
async def test_the_right_caller_changes_what_it_may(tmp_path: Path, kind: str) -> None:
    # What deletes comes last, and what ends the caller last of all.
    changes = sorted(
        ROWS.keys() - set(READS) - set(ENDS_CALLER),
        key=lambda name: (name.endswith("/remove"), name.startswith("DELETE")),
    )
    async with make_world(tmp_path) as world:
        assert await wrong_answers(world, kind, [*changes, *ENDS_CALLER]) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_the_right_caller_submits_a_job_by_each_form(real_app: FastAPI, kind: str) -> None:
    """No worker runs here, so the job waits."""
    wrong = []
    for name, row in ROWS.items():
        if not row.accepted:
            continue
        world = World(real_app, {})
        caller = await right_caller(real_app, kind, row.scopes)
        answer = await world.ask(name, caller, form=row.accepted)
        shown = await right_caller(real_app, kind, (Scope.INGEST, Scope.JOBS_READ))
        async with stranger_of(real_app, **shown) as http:
            page = await http.get(answer.headers.get("location", "/"))
        if (answer.status_code, page.status_code) != (303, 200):
            wrong.append(f"{name} answered {answer.status_code}, then {page.status_code}: {answer.text[:200]}")
    assert wrong == []
