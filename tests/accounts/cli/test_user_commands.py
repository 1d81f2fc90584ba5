"""`kaboom user …` and the tokens that the API keeps, against a real API; passwords come from stdin."""

import io

import httpx2
import pytest

from kaboom.cli.exits import Exit
from tests.fixtures.cli import Kaboom
from tests.fixtures.servers.stacks import Api

PASSWORD = "correct horse battery staple"


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def log_in(api: Api, name: str, password: str) -> int:
    return httpx2.post(f"{api.url}/api/v1/login", json={"user": name, "password": password}).status_code


def test_a_user_is_added_changed_and_disabled(live: Api, at_live: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, f"{PASSWORD}\n")
    added = at_live("user", "add", "Taro@Example.com", "--role", "operator")
    assert (added.code, "taro@example.com" in added.out) == (Exit.OK, True)
    assert PASSWORD not in added.out + added.err
    assert log_in(live, "taro@example.com", PASSWORD) == 200
    assert "viewer" in at_live("user", "role", "taro@example.com", "viewer").out
    give(monkeypatch, "another battery of staples\n")
    assert at_live("user", "password", "taro@example.com").code == Exit.OK
    assert log_in(live, "taro@example.com", PASSWORD) == 401
    assert at_live("user", "disable", "taro@example.com").code == Exit.OK
    assert log_in(live, "taro@example.com", "another battery of staples") == 401
    assert at_live("user", "enable", "taro@example.com").code == Exit.OK
    assert log_in(live, "taro@example.com", "another battery of staples") == 200


def test_errors_have_exit_codes(at_live: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, "short\n")
    assert at_live("user", "add", "hana").code == Exit.USAGE
    give(monkeypatch, "")
    assert at_live("user", "add", "hana").code == Exit.USAGE
    missing = at_live("user", "disable", "nobody")
    assert (missing.code, "no user nobody" in missing.err) == (Exit.NOT_FOUND, True)


def test_a_token_is_made_listed_and_revoked(live: Api, at_live: Kaboom) -> None:
    made = at_live("token", "new", "--name", "n8n", "--scope", "jobs:read", "--expires-days", "90")
    value = made.out.strip()
    token_id = value.split("_")[1]
    assert f"token {token_id} created" in made.err
    jobs = f"{live.url}/api/v1/jobs"
    assert httpx2.get(jobs, headers={"x-ingest-token": value}).status_code == 200
    listed = at_live("token", "list").out
    assert token_id in listed
    assert value not in listed
    assert at_live("token", "revoke", token_id).code == Exit.OK
    assert f"{token_id}  n8n" in at_live("token", "list").out
    assert "revoked" in at_live("token", "list").out
    assert httpx2.get(jobs, headers={"x-ingest-token": value}).status_code == 401
    assert at_live("token", "new", "--name", "x").code == Exit.USAGE
    assert at_live("token", "revoke", "0" * 16).code == Exit.NOT_FOUND


def test_a_token_that_expires_soon_is_named_and_never_is_said(live: Api, at_live: Kaboom) -> None:
    default = at_live("token", "new", "--name", "by-default", "--scope", "jobs:read")
    assert "it expires at" in default.err
    at_live("token", "new", "--name", "short", "--scope", "jobs:read", "--expires-days", "3")
    lasting = at_live("token", "new", "--name", "lasting", "--scope", "jobs:read", "--expires-days", "never")
    assert "expires" not in lasting.err
    listed = at_live("token", "list")
    assert "expiring within 14 days: short;" in listed.err
    (line,) = [line for line in listed.out.splitlines() if "lasting" in line]
    assert ("valid" in line, "never" in line) == (True, True)
