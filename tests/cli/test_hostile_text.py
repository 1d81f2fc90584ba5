"""Texts of servers and files reach the terminal as text: no escape, no markup, no other direction, no crash."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from kaboom.cli.main import run_cli
from kaboom.drivers.printable import clean
from tests.cli.test_commands import SMALL
from tests.fixtures.cli import Done, Kaboom, Scripted
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.http_servers import Request, Response, serving
from tests.fixtures.servers.stacks import Api
from tests.market_data.cli.test_symbol_import import PACKAGED, write_list

HOSTILE = "[/b][link=x]\x1b[2J\x1b]0;t\x07\x9b31m\u202e\r\n\x00トヨタ"
SHOWN = r"[/b][link=x]\x1b[2J\x1b]0;t\x07\x9b31m\u202e\x0d\x0a\x00トヨタ"
#: Fields that are no free text: the command line reads them.
READ = {"status", "task", "kind", "level", "interval", "job_id", "schedule_id", "next_cursor", "queue", "session"}


def spoil(value: Any, name: str = "") -> Any:
    """Return an answer with a hostile end on every text that is free."""
    if isinstance(value, dict):
        return {key: spoil(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [spoil(item, name) for item in value]
    is_free = isinstance(value, str) and name not in READ and not name.endswith(("_at", "_due", "_url"))
    return value + HOSTILE if is_free else value


@pytest.fixture
def hostile(live: Api, kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaboom]:
    """Run `kaboom …` against a real API whose every text a stranger has written."""

    def answer(request: Request) -> Response:
        upstream = http.client.HTTPConnection(urlsplit(live.url).netloc, timeout=60)
        named = {"x-ingest-token": TOKEN, "Content-Type": "application/json"}
        named |= {name: text for name, text in request.headers.items() if name in {"accept", "last-event-id"}}
        upstream.request(request.method, request.target, request.body, named)
        told = upstream.getresponse()
        body = told.read()
        upstream.close()
        if told.headers.get_content_subtype().endswith("json"):
            body = orjson.dumps(spoil(orjson.loads(body)))
        return Response(told.status, body, {"Content-Type": str(told.headers["Content-Type"])})

    with serving(answer) as url:
        monkeypatch.setenv("KABOOM_API_URL", url)
        monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
        monkeypatch.setenv("KABOOM_DATA_DIR", str(live.data_dir))
        yield kaboom


def expect_clean(done: Done) -> str:
    """Return all that a command printed, which a terminal may be shown."""
    text = done.out + done.err
    assert clean(text, keep_lines=True) == text
    assert text
    return text


@pytest.fixture
def job(at_live: Kaboom) -> str:
    """A job of one symbol."""
    done = at_live("--json", *SMALL, "--symbol", "9984", "--wait")
    return str(done.json["job_id"])  # type: ignore[index]


def test_every_command_shows_hostile_texts_as_texts(job: str, hostile: Kaboom, at_live: Kaboom) -> None:
    monthly = ("schedules", "add", "monthly", "--cron", "0 18 1 * *", "--interval", "1d=1", "--symbol", "7203")
    calls = (
        ("jobs", "list"),
        ("jobs", "show", job),
        ("jobs", "watch", job),
        ("jobs", "logs", job),
        ("jobs", "logs", job, "--follow"),
        ("jobs", "retry", job),
        ("jobs", "cancel", job),
        ("jobs", "show", "a" * 32),
        ("webhooks", "list"),
        ("webhooks", "show", "msg_" + "a" * 32),
        monthly,
        monthly,
        ("schedules", "list"),
        ("schedules", "remove", "nothing"),
        ("ingest", "run-daily", "--symbol", "7203", "--session", "2025-11-04", "--wait"),
        ("market-data", "roll-up", "--interval", "1d=1", "--wait"),
        ("coverage",),
        ("actions", "list"),
        ("doctor",),
    )
    for call in calls:
        for form in ((), ("--json",)):
            done = hostile(*form, *call)
            text = expect_clean(done)
            assert "Traceback" not in text, call
    text = expect_clean(hostile("schedules", "list"))
    assert "[/b][link=x]" in text
    assert r"\x1b[2J" in text.replace("\n", "")


def test_a_problem_is_shown_as_text(kaboom: Kaboom, scripted: Scripted) -> None:
    problem = {"title": HOSTILE, "detail": HOSTILE, "request_id": HOSTILE}
    scripted.answers = [(422, orjson.dumps(problem))]
    assert SHOWN in expect_clean(kaboom("jobs", "show", "a" * 32))
    scripted.answers = [(500, f"<html>{HOSTILE}".encode())]
    expect_clean(kaboom("jobs", "show", "a" * 32))
    scripted.answers = [(200, b'{"job_id": "\\ud800"}')]
    assert "something else than JSON" in expect_clean(kaboom("jobs", "show", "a" * 32))


def test_names_in_a_list_are_shown_as_text(kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    file = write_list(tmp_path, without=0)
    file.write_text(file.read_text(encoding="utf-8").replace(",x,", ",[/b]\x1b[2J\u202eトヨタ,"), encoding="utf-8")
    expect_clean(kaboom("symbols", "import", str(file)))
    text = expect_clean(kaboom("symbols", "history", PACKAGED.listings[0].symbol))
    assert r"\x1b[2J" in text
    assert r"\u202e" in text


def test_what_was_typed_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["jobs", "list", "--limit", HOSTILE],
        [HOSTILE],
        ["symbols", "import", HOSTILE],
        ["bars", "show", HOSTILE],
    ):
        code = run_cli(arguments)
        expect_clean(Done(int(code), *capsys.readouterr()))
        assert code


def test_all_printing_goes_through_the_session() -> None:
    folder = Path(run_cli.__code__.co_filename).parent
    forbidden = ("out.print(", "err.print(", "table.add_row(", "sys.stdout.buffer", "typer.echo", " print(")
    found = {
        (file.name, word)
        for file in folder.rglob("*.py")
        for word in forbidden
        if word in file.read_text(encoding="utf-8")
    }
    assert {name for name, _ in found} == {"session.py", "text.py"}
