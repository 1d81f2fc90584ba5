"""Apprise's own log lines, which may hold the URL of a channel, stay out of Kaboom's log."""

import pytest

from batch.notify.apprise_sender import send_by_apprise
from batch.notify.url_guard import UrlGuard
from tests.fixtures.servers.http_servers import Response, serving

pytestmark = pytest.mark.anyio


async def test_log_lines_of_apprise_do_not_reach_ours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    guard = UrlGuard(trusted=frozenset({"127.0.0.1"}))
    with serving(lambda _: Response(500, b"no")) as url:
        channel = url.replace("http://", "json://") + "/secret-of-the-channel"
        reply = await send_by_apprise(guard, channel, "title", "body", message_id="1")

    assert reply.status == 500  # which only a log line of apprise says
    assert [record.getMessage() for record in caplog.records if record.name.startswith("apprise")] == []
    assert "secret-of-the-channel" not in caplog.text
