"""The command line's client waits for the end of a rate-limit window, and reads once more."""

from pathlib import Path

import pytest

from kaboom.cli.client import ApiClient
from kaboom.cli.exits import CliError, Exit
from kaboom.text.speaker import Speaker
from tests.fixtures.cli import Kaboom
from tests.fixtures.servers.http_servers import Request, Response, serving

PAST = "Mon, 16 Nov 2020 06:31:00 GMT"


@pytest.mark.parametrize("retry_after", ["0", PAST])
def test_a_limited_read_is_made_again_after_the_pause(retry_after: str) -> None:
    answers = [Response(429, b"{}", {"Retry-After": retry_after}), Response(200, b'{"a": 1}')]
    with serving(lambda _: answers.pop(0)) as url:
        assert ApiClient(url, "token", Speaker("en")).call("GET", "/x") == {"a": 1}


def test_a_limited_write_is_not_made_again() -> None:
    seen: list[str] = []

    def refuse(request: Request) -> Response:
        seen.append(request.method)
        return Response(429, b"{}", {"Retry-After": "0"})

    with serving(refuse) as url, pytest.raises(CliError) as caught:
        ApiClient(url, "token", Speaker("en")).call("POST", "/x")
    assert (caught.value.code, seen) == (Exit.RATE_LIMITED, ["POST"])


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"7", b'{"items": [{}]}'])
def test_an_answer_of_another_server_is_a_sentence(
    kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "x")
    with serving(lambda _: Response(200, answer, {"Content-Type": "application/json"})) as url:
        for command in ("jobs list", "schedules list", "workers", "portfolio list", "ingest run-daily --symbol 7203"):
            done = kaboom("--api-url", url, *command.split())
            assert (done.code, done.out) == (Exit.UNAVAILABLE, "")
            assert f"{url} answered as no Kaboom of this version does" in done.err


@pytest.mark.parametrize(("content", "kind"), [(b"{}", "application/json"), (b"<p>Hello</p>", "text/plain")])
def test_a_file_of_another_kind_is_not_written(
    kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, kind: str
) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "x")
    with serving(lambda _: Response(200, content, {"Content-Type": kind})) as url:
        for command in ("backtest report 0123abcd", "backtest report 0123abcd --png"):
            done = kaboom("--api-url", url, *command.split())
            assert (done.code, done.out, list(tmp_path.iterdir())) == (Exit.UNAVAILABLE, "", [])
            assert f"{url} answered as no Kaboom of this version does ({kind})" in done.err
