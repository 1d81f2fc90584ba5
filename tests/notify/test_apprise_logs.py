"""Apprise's own log lines, which may hold the URL of a channel, stay out of Kaboom's log."""

import logging

import pytest

from kaboom.jobs.callbacks.url_guard import UrlGuard
from kaboom.notify.apprise_sender import load_plugin, send_by_apprise
from tests.fixtures.servers.http_servers import Response, serving

pytestmark = pytest.mark.anyio


class Heard(logging.Handler):
    """What reaches the root logger; pytest's own handlers listen to loggers that do not propagate, too."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line with the name of its logger."""
        self.lines.append(f"{record.name}: {record.getMessage()}")


async def test_log_lines_of_apprise_do_not_reach_ours() -> None:
    root, heard = logging.getLogger(), Heard()
    level = root.level
    root.setLevel("DEBUG")
    root.addHandler(heard)
    guard = UrlGuard(trusted=frozenset({"127.0.0.1"}))
    with serving(lambda _: Response(500, b"no")) as url:
        channel = url.replace("http://", "json://") + "/secret-of-the-channel"
        reply = await send_by_apprise(guard, channel, "title", "body", message_id="1")
    logging.getLogger("kaboom").warning("heard")
    root.removeHandler(heard)
    root.setLevel(level)

    assert reply.status == 500  # which only a log line of apprise says
    assert "kaboom: heard" in heard.lines
    assert [line for line in heard.lines if line.startswith("apprise") or "secret-of-the-channel" in line] == []


async def test_warnings_of_apprise_and_its_client_are_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3")]
    for log in loggers:
        monkeypatch.setattr(log, "handlers", [])
    assert load_plugin("json://127.0.0.1/secret-of-the-channel")
    for log in loggers:
        log.warning("secret-of-the-channel")
    # The standard library prints warnings of a logger that no handler listens to.
    assert capsys.readouterr().err == ""
