"""What a message says: its items only if it has some, the time in Japan, and a link or a command that works."""

import pytest

from kaboom.jobs.postgres.events import Event, EventKind
from kaboom.notify.model import Message
from kaboom.notify.texts import write_text
from kaboom.text.catalogue import Language
from tests.fixtures.notifications.rules import NOW

ID = "d" * 32
ITEMS = {"done": 0, "failed": 2, "total": 2, "error": "2 of 2 items failed"}
NONE = {"done": 0, "failed": 0, "total": 0}


def body_of(event: Event, language: Language, site: str = "") -> list[str]:
    """Return the lines of a message with one event."""
    message = Message(
        "msg", "team", "c", "key", (event.event_id,), language=language, rule_name="rule", next_attempt_at=NOW
    )
    return write_text(message, [event], site=site).body.splitlines()


@pytest.mark.parametrize(("count", "last"), [(20, "2026-11-25 16:35 JST"), (21, "and 1 more")])
def test_a_digest_says_how_many_events_it_leaves_out(count: int, last: str) -> None:
    message = Message("msg", "team", "c", "key", (), language="en", rule_name="rule", next_attempt_at=NOW)
    lines = write_text(message, [ended(**NONE)] * count).body.splitlines()
    assert len(lines) == count
    assert lines[-1].startswith(last)


def ended(**data: str | int) -> Event:
    job: dict[str, str | int] = {"job_id": ID, "queue": "market_data", "task": "market_data.mirror", "status": "failed"}
    return Event("job_ended:1", EventKind.JOB_ENDED, NOW, "team", job | data)


@pytest.mark.parametrize(
    ("language", "data", "first"),
    [
        ("en", ITEMS, "0 of 2 done, 2 failed. 2 of 2 items failed"),
        ("ja", ITEMS, "対象2件のうち完了0件、失敗2件。2件中2件が失敗しました"),
        ("en", NONE | {"error": "no model"}, "no model"),
        ("ja", NONE | {"error": "no model"}, "no model"),
        ("en", NONE, "Time: 2026-11-25 16:35 JST"),
        ("ja", NONE, "日時\uff1a2026-11-25 16:35 JST"),
    ],
)
def test_items_are_counted_if_there_are_some(language: Language, data: dict[str, str | int], first: str) -> None:
    assert body_of(ended(**data), language)[0] == first


@pytest.mark.parametrize(("language", "label"), [("en", "Job: "), ("ja", "ジョブ\uff1a")])
@pytest.mark.parametrize("site", ["https://kaboom.example.com", "https://kaboom.example.com/"])
def test_a_link_is_absolute(language: Language, label: str, site: str) -> None:
    # The path of the page: its queue is written with a hyphen.
    assert body_of(ended(**NONE), language, site)[-1] == f"{label}https://kaboom.example.com/jobs/market-data/{ID}"


@pytest.mark.parametrize(("language", "label"), [("en", "See: "), ("ja", "確認するには\uff1a")])
def test_without_a_public_address_the_command_is_named(language: Language, label: str) -> None:
    assert body_of(ended(**NONE), language)[-1] == f"{label}kaboom jobs show {ID}"
