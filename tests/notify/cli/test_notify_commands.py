"""`kaboom notify …` against a real API that sends."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from kaboom.cli.exits import Exit
from tests.fixtures.cli import Kaboom
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.notifications.rules import KEY
from tests.fixtures.servers.receivers import SECRET, receiving
from tests.fixtures.servers.stacks import Api, serving, until


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API in a process of its own that sends to loopback."""
    folder: Path = tmp_path_factory.mktemp("sending")
    env = {"KABOOM_WEBHOOK_SECRET": SECRET, "KABOOM_WEBHOOK_HOSTS": "127.0.0.1", "KABOOM_NOTIFICATION_KEY": KEY}
    with serving(folder / "data", **env) as api:
        yield api


def delivered(kaboom: Kaboom) -> list[dict[str, Any]]:
    page = cast("dict[str, Any]", kaboom("notify", "log", "--status", "delivered", "--json").json)
    return list(page["items"])


def test_a_channel_and_a_rule_are_added_tested_and_listed(
    sending: Api, kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KABOOM_API_URL", sending.url)
    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    assert "no channels yet" in kaboom("notify", "channels").err
    assert "no rules yet" in kaboom("notify", "rules").err
    assert "no messages yet" in kaboom("notify", "log").err
    with receiving() as receiver:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{receiver.url}\n"))
        assert kaboom("notify", "add-channel", "ops", "--webhook").code == 0
        rule = ("notify", "add-rule", "failed", "--channel", "ops", "--event", "job_ended", "--only", "status=failed")
        assert kaboom(*rule, "--quiet", "22:00-07:00", "--digest-at", "18:30").code == 0
        listed = cast("dict[str, Any]", kaboom("notify", "rules", "--json").json)
        assert [each["language"] for each in listed["items"]] == ["en"]
        rules = kaboom("notify", "rules").out
        assert "digest 18:30" in rules
        assert "quiet 22:00 to 07:00" in rules
        channels = kaboom("notify", "channels").out
        assert "webhook 127.0.0.1" in channels
        assert "s3cret" not in channels
        assert kaboom("notify", "test", "ops").code == 0
        items = until(lambda: delivered(kaboom), bool, within_s=20)
        assert "A test of Kaboom" in kaboom("notify", "log").out
        assert kaboom("notify", "replay", items[0]["id"]).code == 0
        until(lambda: len(receiver.seen), lambda n: n == 2, within_s=20)
    assert kaboom("notify", "test", "none").code == Exit.NOT_FOUND
