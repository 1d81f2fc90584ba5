"""The first user of `kaboom up`: made once, shown once, and nowhere where the operator makes users."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from kaboom.cli.run import make_first_user
from kaboom.cli.session import Session
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.http_servers import Request, Response, serving


@pytest.mark.parametrize(
    ("users", "status", "database_url", "asked"),
    [
        ([], 201, None, ["GET", "POST"]),
        ([{"name": "anna"}], 201, None, ["GET"]),
        ([], 201, "postgresql://elsewhere", []),
        ([], 409, None, ["GET", "POST"]),
    ],
)
def test_an_admin_is_made_where_there_is_no_user(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    users: list[dict[str, str]],
    status: int,
    database_url: str | None,
    asked: list[str],
) -> None:
    calls: list[tuple[str, str, Any]] = []

    def answer(request: Request) -> Response:
        calls.append((request.method, request.path, orjson.loads(request.body or b"null")))
        return Response(200, orjson.dumps({"items": users})) if request.method == "GET" else Response(status, b"{}")

    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    if database_url:
        monkeypatch.setenv("DATABASE_URL", database_url)
    with serving(answer) as url:
        make_first_user(Session(api_url=url, data_dir=Path("nowhere"), language="en"))
    assert [method for method, _, _ in calls] == asked
    assert {path for _, path, _ in calls} <= {"/api/v1/users"}
    shown = capsys.readouterr().err
    if "POST" not in asked:
        assert shown == ""
        return
    made = calls[1][2]
    assert (made["name"], made["role"], len(made["password"])) == ("admin", "admin", 16)
    assert (made["password"] in shown) == (status == 201)
    assert ("HTTP 409" in shown) == (status == 409)
