"""The page of notifications: set up a channel and a rule, test it, and look at the log."""

import re
from html import unescape
from pathlib import Path

import pytest

from kaboom.notify.model import Notifications
from kaboom.notify.store import open_notifications
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
            assert "No rule sends events yet." in text_of(await read_page(browser, "/notifications"))
            await read_page(browser, "/notifications/channels/new")
            await read_page(browser, "/notifications/rules/new")
            channel = {"name": HOSTILE, "kind": "webhook", "url": receiver.url}
            made = await browser.post("/notifications/channels/new", data=channel)
            assert (made.status_code, made.headers["location"]) == (303, "/notifications?done=channel_added")
            notifications = jobs_of(app).parts.database.open(open_notifications)
            channel_id = (await notifications.rules.list_channels("ingest"))[0].channel_id
            rule = {"name": "failed jobs", "channel_id": channel_id, "events": "job_ended", "status": "failed"}
            rule |= {"language": "en", "quiet_from": "22:00", "quiet_until": "07:00", "digest_at": "", "deadline": ""}
            assert (await browser.post("/notifications/rules/new", data=rule)).status_code == 303
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
            assert "0 of 1 rules on" in text_of(await read_page(browser, "/notifications?done=changed"))
            # A rule uses it.
            assert (await browser.post(f"/notifications/channels/{channel_id}/remove", data={})).status_code == 409
            await browser.post(f"/notifications/rules/{rule_id}/remove", data={})
            await browser.post(f"/notifications/channels/{channel_id}/remove", data={})
            assert await notifications.rules.list_channels("ingest") == []


async def test_what_is_refused_is_shown_at_its_field_as_it_was_sent(tmp_path: Path) -> None:
    async with (
        running(memory_settings(tmp_path, notification_key=KEY), authenticators=[VIEWERS]) as app,
        browser_of(app) as browser,
    ):
        channel = {"name": "x", "kind": "apprise", "url": "jsons://me:hush-hush@10.0.0.1/x"}
        refused = await browser.post("/notifications/channels/new", data=channel)
        assert refused.status_code == 422
        assert "public address" in refused.text
        # It went from this form, and goes back into it, hidden as a password is.
        assert refused.text.count("hush-hush") == 1
        assert 'value="jsons://me:hush-hush@10.0.0.1/x" autocomplete="off" type="password"' in refused.text
        rule = {"name": "x", "channel_id": "0" * 32, "events": "data_incomplete", "language": "ja"}
        refused = await browser.post("/notifications/rules/new", data=rule)
        assert refused.status_code == 422
        assert "deadline" in refused.text


WHOLE = {
    "name": "all of it",
    "events": ["job_ended", "data_incomplete", "alert"],
    "only": {"status": ["failed", "firing"], "alertname": ["a=b & c", HOSTILE], "market": ["TSE_PRIME"]},
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "digest_at": None,
    "digest_minutes": 60,
    "deadline": "18:00",
    "language": "en",
    "is_enabled": False,
}


def fields_of(html: str) -> dict[str, list[str]]:
    """Return what a browser would send of a page's form as it is."""
    form = re.search(r'<form class="sec form".*?</form>', html, re.DOTALL)
    assert form
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        given = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if given.get("type") != "checkbox" or " checked" in tag:
            found.setdefault(given["name"], []).append(unescape(given.get("value", "")))
    for name, inner in re.findall(r'<select[^>]* name="(\w+)".*?>(.*?)</select>', form[0], re.DOTALL):
        found[name] = re.findall(r'value="([^"]*)" selected', inner)
    for name, inner in re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>(.*?)</textarea>', form[0], re.DOTALL):
        found[name] = [unescape(inner).replace("\n", "\r\n")]
    return found


async def test_a_rule_is_edited_and_what_is_left_alone_stays(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, notification_key=KEY)
    async with running(settings, authenticators=[VIEWERS]) as app, browser_of(app) as browser:
        api = "/api/v1/notifications"
        channel = {"name": "ops", "kind": "apprise", "url": "discord://1/2"}
        channel_id = (await browser.post(f"{api}/channels", json=channel)).json()["id"]
        before = (await browser.post(f"{api}/rules", json=WHOLE | {"channel_id": channel_id})).json()
        page = f"/notifications/rules/{before['id']}"
        assert f'href="{page}/edit"' in await read_page(browser, "/notifications")
        html = await read_page(browser, f"{page}/edit")
        assert HOSTILE not in html
        fields = fields_of(html)
        sent = await browser.post(f"{page}/edit", data=fields)
        assert (sent.status_code, sent.headers["location"]) == (303, "/notifications?done=changed")
        after = (await browser.get(f"{api}/rules/{before['id']}")).json()
        assert after | {"updated_at": 0} == before | {"updated_at": 0}
        assert after["updated_at"] > before["updated_at"]
        changed = fields | {"name": ["failed ones"], "events": ["job_ended"], "status": ["failed", "partial"]}
        changed |= {"only": [""], "digest_minutes": [""], "deadline": [""], "digest_at": ["08:30"]}
        assert (await browser.post(f"{page}/edit", data=changed)).status_code == 303
        after = (await browser.get(f"{api}/rules/{before['id']}")).json()
        assert (after["name"], after["events"], after["only"]) == (
            "failed ones",
            ["job_ended"],
            {"status": ["failed", "partial"]},
        )
        assert (after["digest_at"], after["digest_minutes"], after["deadline"]) == ("08:30", None, None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"digest_minutes": "9" * 5000}, 'id="f-digest_minutes-fault"'),
        ({"digest_minutes": "soon"}, 'id="f-digest_minutes-fault"'),
        ({"only": "market"}, 'id="f-only-fault"'),
        ({"only": "secret=x"}, 'id="f-only-fault"'),
        ({"events": "data_incomplete", "deadline": ""}, "expected a deadline"),
    ],
)
async def test_a_change_that_is_refused_is_shown_at_its_field(
    tmp_path: Path, values: dict[str, str], said: str
) -> None:
    settings = memory_settings(tmp_path, notification_key=KEY)
    async with running(settings, authenticators=[VIEWERS]) as app, browser_of(app) as browser:
        api = "/api/v1/notifications"
        channel = {"name": "ops", "kind": "apprise", "url": "discord://1/2"}
        channel_id = (await browser.post(f"{api}/channels", json=channel)).json()["id"]
        rule = {"name": "x", "channel_id": channel_id, "events": ["job_ended"], "language": "en"}
        before = (await browser.post(f"{api}/rules", json=rule)).json()
        page = f"/notifications/rules/{before['id']}"
        fields = fields_of(await read_page(browser, f"{page}/edit"))
        refused = await browser.post(f"{page}/edit", data=fields | {name: [value] for name, value in values.items()})
        assert refused.status_code == 422
        assert f'action="{page}/edit"' in refused.text
        assert said in refused.text
        assert (await browser.get(f"{api}/rules/{before['id']}")).json() == before


async def test_a_rule_that_is_gone_is_not_found(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path), authenticators=[VIEWERS]) as app, browser_of(app) as browser:
        page = f"/notifications/rules/{'0' * 32}"
        assert (await browser.get(f"{page}/edit")).status_code == 404
        assert (await browser.post(f"{page}/edit", data={"name": "x"})).status_code == 404
