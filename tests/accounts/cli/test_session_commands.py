"""`kaboom session …` against a real API: sessions of browsers are listed and ended."""

import io

import httpx2
import orjson
import pytest

from kaboom.cli.exits import Exit
from tests.fixtures.cli import Kaboom
from tests.fixtures.servers.stacks import Api

PASSWORD = "correct horse battery staple"


def log_in(api: Api, **body: str) -> httpx2.Cookies:
    """Return the cookies of a browser that has logged in."""
    headers = {"origin": api.url, "user-agent": "Browser of the tests"}
    answer = httpx2.post(f"{api.url}/api/v1/login/session", json=body, headers=headers)
    assert answer.status_code == 201
    return answer.cookies


def me(api: Api, cookies: httpx2.Cookies) -> int:
    """Return what a browser gets."""
    return httpx2.get(f"{api.url}/api/v1/me", cookies=cookies).status_code


def test_sessions_are_listed_and_ended(live: Api, at_live: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert at_live("user", "add", "yuki", "--role", "viewer").code == Exit.OK
    first, second, third = [log_in(live, user="yuki", password=PASSWORD) for _ in range(3)]
    assert "Browser of the tests" not in at_live("session", "list").out
    listed = at_live("session", "list", "--all")
    assert ("yuki" in listed.out, "password" in listed.out, "127.0.0.1" in listed.out) == (True, True, True)
    shown = orjson.loads(at_live("session", "list", "--all", "--json").out)["items"]
    its = shown[-1]["id"]
    assert at_live("session", "end", its).code == Exit.NOT_FOUND
    ended = at_live("session", "end", its, "--all")
    assert (ended.code, f"session {its} ended" in ended.err) == (Exit.OK, True)
    assert sorted(me(live, each) for each in (first, second, third)) == [200, 200, 401]
    assert at_live("session", "end", "--user", "Yuki").code == Exit.OK
    assert [me(live, each) for each in (first, second, third)] == [401, 401, 401]
    wrong = [at_live("session", "end"), at_live("session", "end", its, "--user", "yuki")]
    assert [done.code for done in wrong] == [Exit.USAGE, Exit.USAGE]
    assert at_live("session", "end", "--user", "nobody").code == Exit.NOT_FOUND


def test_without_a_session_it_says_so_in_japanese(live: Api, at_live: Kaboom) -> None:
    assert "ログイン中のブラウザーはありません" in at_live("--lang", "ja", "session", "list").err
