"""The reference page of webhooks is true: its code checks a real message, its table is the courier's."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from kaboom.jobs.callbacks.url_guard import PORTS
from kaboom.jobs.callbacks.webhooks import DELAYS_S
from kaboom.jobs.engine.webhook_sender import PER_HOST, SLOTS
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.outbox import KEPT_DAYS, LEASE_S, DeliveryStatus, encode_event
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.repo.repository import load_text
from tests.fixtures.servers.receivers import SECRET

PAGE = load_text("docs/reference/webhooks.md")


def test_the_documented_receiver_checks_a_message() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "webhooks.md", "exec"), names)
    body, now = encode_event(make_job(status=JobStatus.COMPLETED)), datetime.now(UTC)
    signature = Webhook(SECRET).sign("msg_1", now, body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    assert names["receive"](body.encode(), headers, SECRET)["status"] == "completed"
    with pytest.raises(WebhookVerificationError):
        names["receive"](body.replace("completed", "failed").encode(), headers, SECRET)


def test_the_documented_message_is_one() -> None:
    (body,) = re.findall(r'^\{"type".*$', PAGE, re.MULTILINE)
    shown = json.loads(body)
    job = make_job(
        job_id=shown["data"]["job_id"],
        status=JobStatus.COMPLETED,
        completed_at=datetime.fromisoformat(shown["timestamp"]),
    )
    assert encode_event(job) == body
    assert len(body) < 20_000


def test_the_documented_table_is_the_courier_s() -> None:
    text = re.search(r"^\| after \| (.*) \|$", PAGE, re.MULTILINE)
    assert text
    seconds = {"s": 1, "min": 60, "h": 3600}
    written = [int(n) * seconds[unit] for n, unit in (cell.split() for cell in text[1].split(" | "))]
    assert written == [0, *DELAYS_S]


def test_the_documented_numbers_and_states_are_the_code_s() -> None:
    text = re.sub(r"\s+", " ", PAGE)
    assert f"after {LEASE_S:.0f} seconds" in text
    assert f"deleted after {KEPT_DAYS} days" in text
    assert f"has {SLOTS} slots, and one host gets at most {PER_HOST} of them" in text
    assert "port " + " or ".join(map(str, sorted(PORTS))) in text
    assert ", ".join(f"`{status}`" for status in DeliveryStatus) in text
