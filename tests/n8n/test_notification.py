"""The workflow that Kaboom's notifications start: the API is asked what they say, and incomplete data is ingested."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from tests.fixtures.jobs.apps import RUN_DAILY
from tests.n8n.lab.lab import NOTIFIER, Lab
from tests.n8n.lab.workflows import NOTIFICATION, NOTIFICATION_PATH

pytestmark = pytest.mark.timeout(1_200)
LOGIN = (NOTIFIER["user"], NOTIFIER["password"])
_API = "/api/v1/notifications"
_KEEP = "INSERT INTO notification_events (event_id, kind, owner, data, at) VALUES (%s, 'data_incomplete', '', %s, %s)"


@pytest.fixture
def told(lab: Lab) -> Iterator[Lab]:
    """A Kaboom that tells n8n of alerts and of incomplete data, as an admin sets it up."""
    http, login = lab.up.api.http, ":".join(LOGIN)
    url = f"json://{login}@127.0.0.1:{lab.n8n.port}/webhook/{NOTIFICATION_PATH}"
    channel = http.post(f"{_API}/channels", json={"name": "n8n", "kind": "apprise", "url": url}).raise_for_status()
    rule = {"name": "n8n", "channel_id": channel.json()["id"], "events": ["alert", "data_incomplete"]}
    made = http.post(f"{_API}/rules", json=rule | {"deadline": "18:00", "language": "en"}).raise_for_status()
    yield lab
    http.delete(f"{_API}/rules/{made.json()['id']}").raise_for_status()
    http.delete(f"{_API}/channels/{channel.json()['id']}").raise_for_status()


def note_incomplete(lab: Lab, market: str) -> None:
    """Keep the event as the search for it does, which looks at real clocks and sessions."""
    data = {"market": market, "interval": "1d", "session": "2025-11-04", "deadline": "18:00"}
    with psycopg.connect(lab.up.run()["database_url"]) as connection:
        connection.execute(_KEEP, (f"data_incomplete:{market}", json.dumps(data), datetime.now(UTC)))


def test_incomplete_data_is_ingested_again(told: Lab) -> None:
    fired = told.watch(NOTIFICATION)
    note_incomplete(told, "TSE_STANDARD")
    text = fired.message("Kaboom: Data not complete by 18:00: TSE_STANDARD 1d", "It is ingested again by job ")
    assert fired.end().status == "success"
    (post,) = fired.asked(RUN_DAILY)
    asked = {"market": "TSE_STANDARD", "session": "2025-11-04", "intervals": {"1d": 1}}
    assert json.loads(post.body) == asked
    job = told.up.api.job(text.rpartition(" ")[2])
    assert (job["market"], job["task"]) == ("TSE_STANDARD", "ingest.run_daily")
    (message,) = told.up.api.http.get(f"{_API}/messages", params={"limit": 1}).json()["items"]
    assert post.headers["idempotency-key"] == f"n8n-fill-{message['id']}-TSE_STANDARD-2025-11-04"


def test_anything_else_is_reported_and_starts_nothing(told: Lab) -> None:
    fired = told.watch(NOTIFICATION)
    alert = {
        "status": "firing",
        "labels": {"alertname": "KaboomNoWorker"},
        "annotations": {"summary": "<no> worker"},
        "startsAt": "2026-11-25T07:35:00Z",
        "fingerprint": "9a1f",
    }
    posted = told.up.api.http.post(f"{_API}/alertmanager", json={"version": "4", "alerts": [alert]})
    assert posted.status_code == 202, posted.text
    assert fired.message("KaboomNoWorker") == "Kaboom: Alert KaboomNoWorker: &lt;no&gt; worker"
    assert fired.end().status == "success"
    assert fired.asked(RUN_DAILY) == []


@pytest.mark.parametrize("named", [f"msg_{'0' * 32}", "msg_../../ingest/jobs", ""])
def test_a_message_unknown_to_the_api_is_ignored(lab: Lab, named: str) -> None:
    fired = lab.watch(NOTIFICATION)
    forged = {"version": "1.0", "title": "Data not complete by 18:00", "message": "", "type": "info"}
    answer = lab.n8n.http.post(
        f"/webhook/{NOTIFICATION_PATH}", json=forged, headers={"X-Kaboom-Message": named}, auth=LOGIN
    )
    assert answer.status_code == 200
    assert fired.end().status == "success"
    asked = named if named == f"msg_{'0' * 32}" else "none"
    assert len(fired.asked(f"{_API}/messages/{asked}")) == 1
    assert (fired.messages(), fired.asked(RUN_DAILY)) == ([], [])


def test_an_api_that_is_down_takes_the_failure_branch(lab: Lab) -> None:
    lab.link.refuse()
    fired = lab.watch(NOTIFICATION)
    lab.n8n.http.post(f"/webhook/{NOTIFICATION_PATH}", json={}, headers={"X-Kaboom-Message": "x"}, auth=LOGIN)
    fired.message("Kaboom was not reached at http://127.0.0.1:", "Kaboom: notification")
    assert fired.end().status == "error"


def test_nobody_starts_it_without_the_password(lab: Lab) -> None:
    assert lab.n8n.call(NOTIFICATION_PATH) == 401
    assert lab.n8n.http.post(f"/webhook/{NOTIFICATION_PATH}", json={}, auth=("kaboom", "guessed")).status_code == 403
