"""Notifications as an admin sets them up and as receivers get them: the whole way, in one process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from kaboom.notify.store import open_notifications
from kaboom.telemetry.logs import configure_logging, tap_lines
from tests.fixtures.jobs.apps import RUN_DAILY, client_of, jobs_of, memory_settings, running
from tests.fixtures.notifications.rules import KEY
from tests.fixtures.servers.receivers import SECRET, Receiver, receiving

pytestmark = pytest.mark.anyio
API = "/api/v1/notifications"
DRY = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.fixture
async def http(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An API in memory that runs its jobs, and may send to loopback."""
    settings = memory_settings(
        tmp_path, webhook_secret=SECRET, webhook_hosts="127.0.0.1 n8n.internal:5678", notification_key=KEY
    )
    async with running(settings) as app, client_of(app) as client:
        yield client


async def add_channel(http: httpx2.AsyncClient, url: str, *, kind: str = "webhook", name: str = "ops") -> str:
    answer = await http.post(f"{API}/channels", json={"name": name, "kind": kind, "url": url})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def add_rule(http: httpx2.AsyncClient, channel_id: str, *events: str, **values: Any) -> str:
    body = {"name": f"rule {events}", "channel_id": channel_id, "events": events or ["job_ended"], "language": "en"}
    answer = await http.post(f"{API}/rules", json=body | values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def look(http: httpx2.AsyncClient, is_it: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Return all messages, newest first, once they are as wanted."""
    async with asyncio.timeout(20):
        while True:
            found = (await http.get(f"{API}/messages")).json()["items"]
            if is_it(found):
                return list(found)
            await asyncio.sleep(0.05)


async def ended(http: httpx2.AsyncClient, status: str = "delivered", count: int = 1) -> list[dict[str, Any]]:
    """Return the messages in a state, once there are so many."""
    found = await look(http, lambda all_: sum(m["status"] == status for m in all_) >= count)
    return [message for message in found if message["status"] == status]


async def test_the_end_of_a_job_is_reported_once_by_a_signed_webhook(
    http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    await add_rule(http, await add_channel(http, receiver.url), only={"status": ["completed"]})
    job_id = (await http.post(RUN_DAILY, json=DRY)).json()["job_id"]
    (message,) = await ended(http)
    (got,) = receiver.seen
    body = got.verify()
    assert got.headers["webhook-id"] == message["id"]
    assert body["type"] == "kaboom.notification"
    assert body["data"]["title"] == f"[Kaboom] Job {job_id[:8]} completed: ingest.run_daily"
    assert body["data"]["events"][0]["data"]["job_id"] == job_id
    assert message["events"][0]["id"] == f"job_ended:{job_id}"
    # Sending is a job, too, whose end is no event.
    jobs = (await http.get(f"{API}/jobs")).json()["items"]
    assert [job["task"] for job in jobs] == ["notifications.deliver"]
    job = (await http.get(f"{API}/jobs/{jobs[0]['job_id']}", headers={"prefer": "wait=20"})).json()
    assert (job["status"], job["result"]["delivered"], job["result"]["failed"]) == ("completed", 1, 0)
    assert (job["progress"]["total"], job["progress"]["done"], job["progress"]["failed"]) == (1, 1, 0)


async def test_apprise_sends_in_the_language_of_the_rule(http: httpx2.AsyncClient, receiver: Receiver) -> None:
    url = receiver.url.replace("http://", "json://").partition("?")[0]
    await add_rule(http, await add_channel(http, url, kind="apprise"), language="ja")
    job_id = (await http.post(RUN_DAILY, json=DRY)).json()["job_id"]
    (message,) = await ended(http)
    (got,) = receiver.seen
    title = orjson.loads(got.body)["title"]
    assert title.startswith(f"[Kaboom] ジョブ {job_id[:8]}")
    assert title.endswith("完了")
    assert got.headers["X-Kaboom-Message"] == message["id"]


async def test_a_channel_with_another_url_sends_there_under_its_name(
    http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    channel = await add_channel(http, receiver.url)
    with receiving() as other:
        changes = ({"url": other.url}, {"name": "team"}, {"is_enabled": False}, {"is_enabled": True})
        found = [(await http.patch(f"{API}/channels/{channel}", json=change)).json() for change in changes]
        assert [(each["name"], each["is_enabled"]) for each in found] == [
            ("ops", True), ("team", True), ("team", False), ("team", True)
        ]  # fmt: skip
        assert {(each["service"], each["host"]) for each in found} == {("webhook", "127.0.0.1")}
        refused = await http.patch(f"{API}/channels/{channel}", json={"url": "http://10.0.0.1/"})
        assert refused.status_code == 422
        await add_rule(http, channel)
        await http.post(RUN_DAILY, json=DRY)
        await ended(http)
        assert (len(other.seen), len(receiver.seen)) == (1, 0)


async def test_a_rule_tells_only_what_passes_it(http: httpx2.AsyncClient, receiver: Receiver) -> None:
    channel = await add_channel(http, receiver.url)
    await add_rule(http, channel, only={"status": ["failed", "partial"]}, name="failed")
    await add_rule(http, channel, "worker_lost", name="worker")
    off = await add_rule(http, channel, name="off")
    assert (await http.patch(f"{API}/rules/{off}", json={"is_enabled": False})).json()["is_enabled"] is False
    await add_rule(http, channel, only={"task": ["ingest.run_daily"]}, name="daily")
    await http.post(RUN_DAILY, json=DRY)
    (message,) = await ended(http)
    assert message["rule_name"] == "daily"
    assert len((await http.get(f"{API}/messages")).json()["items"]) == 1


async def test_a_test_goes_through_the_channel(http: httpx2.AsyncClient, receiver: Receiver) -> None:
    channel = await add_channel(http, receiver.url)
    sent = await http.post(f"{API}/channels/{channel}/test", headers={"accept-language": "ja"})
    assert (sent.status_code, sent.json()["events"][0]["title"]) == (202, "Kaboomの通知のテスト")
    (message,) = await ended(http)
    assert (message["id"], message["rule_id"], message["attempts"]) == (sent.json()["id"], "", 1)
    assert receiver.seen[0].verify()["data"]["title"] == "[Kaboom] Kaboomの通知のテスト"


async def test_a_receiver_that_is_gone_leaves_a_dead_letter_to_replay(
    http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.script(410, 200)
    channel = await add_channel(http, receiver.url)
    await http.post(f"{API}/channels/{channel}/test")
    (dead,) = await ended(http, "dead")
    assert (dead["last_status"], dead["last_error"]) == (410, "the receiver answered 410")
    assert (await http.get(f"{API}/channels/{channel}")).json()["is_enabled"] is False
    await http.patch(f"{API}/channels/{channel}", json={"is_enabled": True})
    again = await http.post(f"{API}/messages/{dead['id']}/replay")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert (await http.post(f"{API}/messages/{dead['id']}/replay")).status_code == 409
    (sent,) = await ended(http)
    assert [got.headers["webhook-id"] for got in receiver.seen] == [sent["id"]] * 2


@pytest.mark.parametrize(("answer", "state"), [(410, "dead"), (503, "pending")])
async def test_a_job_whose_only_delivery_failed_has_failed(
    http: httpx2.AsyncClient, receiver: Receiver, answer: int, state: str
) -> None:
    receiver.script(answer)
    await http.post(f"{API}/channels/{await add_channel(http, receiver.url)}/test")
    (dead,) = await look(http, lambda found: [(m["status"], m["last_status"]) for m in found] == [(state, answer)])
    (job,) = (await http.get(f"{API}/jobs")).json()["items"]
    job = (await http.get(f"{API}/jobs/{job['job_id']}", headers={"prefer": "wait=20"})).json()
    assert (job["status"], job["result"]["delivered"], job["result"]["failed"]) == ("failed", 0, 1)
    why = f"the receiver answered {answer}"
    assert job["error"]["message"] == f"1 of 1 items failed; first cause: {dead['id']} failed: {why}"
    failures = (await http.get(f"{API}/jobs/{job['job_id']}/failures")).json()["items"]
    assert [(each["item"], each["message"]) for each in failures] == [(dead["id"], why)]


async def test_links_lead_to_the_public_address(tmp_path: Path, receiver: Receiver) -> None:
    settings = memory_settings(
        tmp_path,
        webhook_secret=SECRET,
        webhook_hosts="127.0.0.1",
        notification_key=KEY,
        public_url="https://k.example/",
    )
    async with running(settings) as app, client_of(app) as http:
        await add_rule(http, await add_channel(http, receiver.url))
        job_id = (await http.post(RUN_DAILY, json=DRY)).json()["job_id"]
        await ended(http)
    assert receiver.seen[0].verify()["data"]["text"].endswith(f"Job: https://k.example/jobs/ingest/{job_id}")


async def test_alertmanager_tells_each_alert_and_its_end_once(http: httpx2.AsyncClient, receiver: Receiver) -> None:
    await add_rule(http, await add_channel(http, receiver.url), "alert", only={"severity": ["page"]})
    alert = {
        "status": "firing",
        "labels": {"alertname": "KaboomNoWorker", "severity": "page", "instance": "a"},
        "annotations": {"summary": "no worker\nis online @everyone", "runbook_url": "https://x"},
        "startsAt": "2026-11-25T07:35:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "9a1f6b4a9d8e2f3b",
    }
    other = alert | {"labels": {"alertname": "Quiet", "severity": "warning"}, "fingerprint": "00ff"}
    for alerts in ([alert, other], [alert], [alert | {"status": "resolved"}]):
        answer = await http.post(f"{API}/alertmanager", json={"version": "4", "groupKey": "{}", "alerts": alerts})
        assert (answer.status_code, answer.json()) == (202, {"alerts": len(alerts)})
    await ended(http, count=2)
    titles = [got.verify()["data"]["title"] for got in receiver.seen]
    assert titles[1] == "[Kaboom] Resolved: KaboomNoWorker"
    assert titles[0].startswith(r"[Kaboom] Alert KaboomNoWorker: no worker\x0ais online @")
    assert "@everyone" not in titles[0]


@pytest.mark.parametrize(
    ("kind", "url", "detail"),
    [
        ("apprise", "json://n8n.internal:5679/x", "not encrypted"),
        ("apprise", "jsons://10.0.0.1/x", "public address"),
        ("apprise", "jsons://[::1]/x", "public address"),
        ("apprise", "jsons://2130706433/x", "url had host"),
        ("apprise", "mailtos://me:secret@169.254.169.254?to=a@example.com", "public address"),
        ("apprise", "mailtos://me:secret@example.com?smtp=192.168.1.1", "public address"),
        ("apprise", "mailtos://me:secret@example.com:22?to=a@example.com", "port 22"),
        ("apprise", "workflows://10.0.0.1/abc/secret", "public address"),
        ("apprise", "workflows://example.com/abc/secret?template=/etc/passwd", "option 'template'"),
        ("apprise", "mailtos://me:secret@example.com?pgppub=/etc/passwd", "option 'pgppub'"),
        ("apprise", "dbus://", "service 'dbus'"),
        ("apprise", "syslog://localhost", "service 'syslog'"),
        ("apprise", "secret", "was not a URL"),
        ("webhook", "http://169.254.169.254/latest", "not encrypted"),
        ("webhook", "https://127.0.0.2/secret", "public address"),
    ],
)
async def test_a_private_address_is_refused(http: httpx2.AsyncClient, kind: str, url: str, detail: str) -> None:
    answer = await http.post(f"{API}/channels", json={"name": "x", "kind": kind, "url": url})
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert error["pointer"] == "#/url"
    assert detail in error["detail"]
    assert "secret" not in answer.text


async def test_without_a_key_no_channel_is_kept(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path)) as app, client_of(app) as http:
        answer = await http.post(f"{API}/channels", json={"name": "x", "kind": "apprise", "url": "discord://1/2"})
        assert answer.status_code == 422
        assert "KABOOM_NOTIFICATION_KEY" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"events": ["test"]}, "#/events/0"),
        ({"events": []}, "#/events"),
        ({"events": ["data_incomplete"]}, "#"),
        ({"deadline": "18:00"}, "#"),
        ({"events": ["data_incomplete"], "deadline": "09:00"}, "#/deadline"),
        ({"quiet_from": "22:00"}, "#"),
        ({"quiet_from": "22:00", "quiet_until": "22:00"}, "#"),
        ({"digest_at": "18:30", "digest_minutes": 60}, "#"),
        ({"digest_minutes": 4}, "#/digest_minutes"),
        ({"quiet_from": "24:00", "quiet_until": "07:00"}, "#/quiet_from"),
        ({"only": {"secret": ["x"]}}, "#/only/secret/[key]"),
    ],
)
async def test_an_invalid_rule_is_rejected(http: httpx2.AsyncClient, values: dict[str, Any], pointer: str) -> None:
    body = {"name": "x", "channel_id": "0" * 32, "events": ["job_ended"]} | values
    answer = await http.post(f"{API}/rules", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


async def test_the_url_of_a_channel_is_seen_nowhere(
    http: httpx2.AsyncClient, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    configure_logging(log_format="json", level="DEBUG")
    logging.getLogger().addHandler(caplog.handler)
    lines: list[str] = []
    end_tap = tap_lines(lambda line: lines.append(str(line)))
    receiver.script(503)
    for name, kind, url in (
        ("one", "webhook", f"{receiver.url}&token=hush-hush"),
        ("two", "apprise", f"json://me:hush-hush@{receiver.url.removeprefix('http://').partition('?')[0]}"),
        ("three", "apprise", "mailtos://me:hush-hush@127.0.0.1:1?from=b@example.com&to=a@example.com"),
    ):
        channel = await add_channel(http, url, kind=kind, name=name)
        await http.post(f"{API}/channels/{channel}/test")
    found = await look(http, lambda all_: all(message["last_error"] for message in all_))
    assert {m["last_status"] for m in found} == {503, None}
    answers = [await http.get(f"{API}/{path}") for path in ("channels", "messages", "jobs", "rules")]
    for job in answers[2].json()["items"]:
        answers += [await http.get(f"{API}/jobs/{job['job_id']}{of_job}") for of_job in ("", "/logs")]
    end_tap()
    # Our own lines and those of libraries were captured; those of apprise's HTTP client have paths, and are dropped.
    assert sum("notification_sent" in line for line in lines) >= 3
    assert "HTTP Request: POST" in caplog.text
    assert '"POST /hook' not in caplog.text
    texts = [answer.text for answer in answers] + [*lines, caplog.text]
    assert [text for text in texts if "hush-hush" in text] == []
    app = jobs_of(http._transport.app)  # type: ignore[attr-defined]
    kept = await app.parts.database.open(open_notifications).rules.list_channels("ingest")
    assert all(b"hush" not in channel.sealed for channel in kept)
