"""The page of notifications: set up a channel and a rule, test it, and look at the log."""

from pathlib import Path

import pytest

from app.ledger.notifications.port import Notifications
from tests.fixtures.jobs.apps import jobs_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, read_page, text_of
from tests.fixtures.notifications.rules import KEY
from tests.fixtures.servers.receivers import SECRET, receiving

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>"


async def kept_in(notifications: Notifications) -> tuple[str, str]:
    (channel,) = await notifications.rules.list_channels("ingest")
    (rule,) = await notifications.rules.list_rules("ingest")
    return channel.channel_id, rule.rule_id


async def test_a_channel_and_a_rule_are_set_up_tested_and_removed(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, webhook_secret=SECRET, webhook_hosts="127.0.0.1", notification_key=KEY)
    with receiving() as receiver:
        async with running(settings, authenticators=[VIEWERS]) as app, browser_of(app) as browser:
            assert "No event is told yet." in text_of(await read_page(browser, "/notifications"))
            await read_page(browser, "/notifications/channels/new")
            await read_page(browser, "/notifications/rules/new")
            channel = {"name": HOSTILE, "kind": "webhook", "url": receiver.url}
            made = await browser.post("/notifications/channels", data=channel)
            assert (made.status_code, made.headers["location"]) == (303, "/notifications?told=channel_added")
            notifications = jobs_of(app).parts.notifications
            channel_id = (await notifications.rules.list_channels("ingest"))[0].channel_id
            rule = {"name": "failed jobs", "channel_id": channel_id, "events": "job_ended", "status": "failed"}
            rule |= {"language": "en", "quiet_from": "22:00", "quiet_until": "07:00", "digest_at": "", "deadline": ""}
            assert (await browser.post("/notifications/rules", data=rule)).status_code == 303
            _, rule_id = await kept_in(notifications)
            assert (await browser.post(f"/notifications/channels/{channel_id}/test", data={})).status_code == 303
            html = await read_page(browser, "/notifications")
            assert HOSTILE not in html
            assert "signature=s3cret" not in html
            text = text_of(html)
            for part in ("1 of 1 rules on", "failed jobs", "quiet 22:00", "A test of Kaboom's notifications"):
                assert part in text
            browser.headers["accept-language"] = "ja"
            japanese = text_of(await read_page(browser, "/notifications"))
            assert "配信ログ" in japanese
            browser.headers["accept-language"] = "en"
            await browser.post(f"/notifications/rules/{rule_id}/switch", data={"is_enabled": "no"})
            assert "0 of 1 rules on" in text_of(await read_page(browser, "/notifications?told=changed"))
            # A rule uses it.
            assert (await browser.post(f"/notifications/channels/{channel_id}/remove", data={})).status_code == 409
            await browser.post(f"/notifications/rules/{rule_id}/remove", data={})
            await browser.post(f"/notifications/channels/{channel_id}/remove", data={})
            assert await notifications.rules.list_channels("ingest") == []


async def test_what_is_refused_is_shown_at_its_field_without_the_url(tmp_path: Path) -> None:
    async with (
        running(memory_settings(tmp_path, notification_key=KEY), authenticators=[VIEWERS]) as app,
        browser_of(app) as browser,
    ):
        channel = {"name": "x", "kind": "apprise", "url": "jsons://me:hush-hush@10.0.0.1/x"}
        refused = await browser.post("/notifications/channels", data=channel)
        assert refused.status_code == 422
        assert "public address" in refused.text
        assert "hush-hush" not in refused.text
        rule = {"name": "x", "channel_id": "0" * 32, "events": "data_incomplete", "language": "ja"}
        refused = await browser.post("/notifications/rules", data=rule)
        assert refused.status_code == 422
        assert "deadline" in refused.text
