"""Failed logins leave a line a minute for each address and user, and are counted; an attacker cannot fill the log."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from kaboom.accounts import login_limits as module
from kaboom.audit.log import AuditQuery
from kaboom.audit.store import open_audit_log
from kaboom.telemetry.metrics import FAILED_LOGINS, Metric, Reading, use_meter
from kaboom.web.auth.scopes import Role
from tests.fixtures.accounts.callers import AUDIT, LOGIN, ME, PASSWORD, accounts_of_app, add_user, jwt_of, stranger_of
from tests.fixtures.jobs.apps import client_of, jobs_of, memory_settings, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> Any:
    async with running(memory_settings(tmp_path, proxy_hops=1)) as found:
        yield found


class Tally:
    """A meter that keeps what was counted."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = {}

    def count(self, metric: Metric, labels: Sequence[str], by: float) -> None:
        if metric is FAILED_LOGINS:
            self.counts[tuple(labels)] = self.counts.get(tuple(labels), 0) + by

    def observe(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        """Keep nothing."""

    def render(self, readings: Sequence[Reading]) -> bytes:
        return b""


@pytest.fixture
def tally() -> Iterator[Tally]:
    kept = Tally()
    use_meter(kept)
    yield kept
    use_meter(None)


async def fail(app: FastAPI, times: int, address: str, **body: str) -> None:
    async with stranger_of(app, **{"x-forwarded-for": address}) as http:
        for _ in range(times):
            assert (await http.post(LOGIN, json=body)).status_code in {401, 429}


async def failures(app: FastAPI, **query: Any) -> list[tuple[Any, ...]]:
    await accounts_of_app(app).failed_logins.flush()
    async with client_of(app) as http:
        found = (await http.get(AUDIT, params={"action": "failed_login"} | query)).json()["items"]
    assert {(line["subject"], line["name"]) for line in found} <= {("unknown", "unknown")}
    return sorted((line["address"], line["target"], line["status"], line["method"], line["reason"]) for line in found)


async def test_a_minute_has_a_line_for_each_address_and_user(app: FastAPI, tally: Tally) -> None:
    user = await add_user(app)
    await fail(app, 7, "192.0.2.1", user=user.name, password="wrong")
    await fail(app, 2, "2001:db8::1", user="no such user", password="wrong")
    await fail(app, 1, "2001:db8::2", user=PASSWORD, password="wrong")
    await fail(app, 3, "192.0.2.2", token="wrong")
    assert await failures(app) == [
        ("192.0.2.1", "", 429, "password", "attempts in this minute: 2"),
        ("192.0.2.1", user.user_id, 401, "password", "attempts in this minute: 5"),
        ("192.0.2.2", "", 401, "token", "attempts in this minute: 3"),
        ("2001:db8::/64", "", 401, "password", "attempts in this minute: 3"),
    ]
    assert tally.counts == {("password", "wrong"): 8, ("password", "held"): 2, ("token", "wrong"): 3}
    # Nothing is written twice.
    assert len(await failures(app)) == 4


async def test_the_line_of_a_user_belongs_to_its_owner(app: FastAPI) -> None:
    user = await add_user(app, owner="other")
    await fail(app, 1, "192.0.2.1", user=user.name, password="wrong")
    assert await failures(app) == []
    (line,) = await jobs_of(app).parts.database.open(open_audit_log).list_lines(AuditQuery("other"))
    assert (line.action, line.target) == ("failed_login", user.user_id)


async def test_a_wrong_old_password_is_a_failed_login(app: FastAPI) -> None:
    user = await add_user(app, Role.VIEWER)
    async with stranger_of(app, authorization=f"Bearer {await jwt_of(app, user)}") as http:
        body = {"old": "wrong", "new": "another battery of staples"}
        assert (await http.post(f"{ME}/password", json=body)).status_code == 401
    assert [line[1] for line in await failures(app)] == [user.user_id]


async def test_an_attacker_does_not_fill_the_audit_log(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 10)
    for number in range(30):
        await fail(app, 1, f"203.0.113.{number}", user=f"nobody-{number}", password="wrong")
    # Also with the names of users.
    await fail(app, 1, "203.0.113.99", user=(await add_user(app)).name, password="wrong")
    found = await failures(app)
    assert len(found) == 11
    assert found[0] == ("", "", 401, "password", "attempts in this minute: 21")


async def test_a_stop_writes_what_was_counted(tmp_path: Path, anyio_backend: str) -> None:
    async with running(memory_settings(tmp_path)) as app:
        await fail(app, 2, "", token="wrong")
        audit = jobs_of(app).parts.database.open(open_audit_log)
    (line,) = await audit.list_lines(AuditQuery("ingest", action="failed_login"))
    assert line.reason == "attempts in this minute: 2"
