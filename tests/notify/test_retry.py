"""What follows from an answer: the delays of the reference page, 410, and Retry-After."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from kaboom.drivers.http.reply import Reply
from kaboom.jobs.callbacks.webhooks import DELAYS_S, JITTER, Verdict, judge_reply

NOW = datetime(2026, 11, 25, 7, 35, tzinfo=UTC)


def judge(reply: Reply, attempt: int = 1, chance: float = 0.0) -> Verdict:
    return judge_reply(reply, attempt, now=NOW, chance=chance)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_delivery(status: int) -> None:
    assert judge(Reply(status)) == Verdict(is_delivered=True)


@pytest.mark.parametrize("status", [302, 307, 400, 401, 404, 409, 500, 502])
def test_any_other_answer_is_tried_again(status: int) -> None:
    assert judge(Reply(status)) == Verdict(is_delivered=False, delay_s=5.0, error=f"the receiver answered {status}")


def test_no_answer_is_tried_again() -> None:
    assert judge(Reply(None, failure="no answer within 15 s")).error == "no answer within 15 s"


def test_410_is_never_again() -> None:
    assert judge(Reply(410)).delay_s is None


def test_the_tenth_attempt_is_the_last() -> None:
    waits = [judge(Reply(500), attempt).delay_s for attempt in range(1, 12)]
    assert waits == [*map(float, DELAYS_S), None, None]


def test_the_jitter_only_adds() -> None:
    assert judge(Reply(500), 2, chance=0.5).delay_s == pytest.approx(300 * (1 + JITTER / 2))


@pytest.mark.parametrize(
    ("status", "header", "delay_s"),
    [
        (429, "120", 120.0),
        (503, "120", 120.0),
        (503, "1", 5.0),
        (503, "999999999999", 86_400.0),
        (429, format_datetime(NOW + timedelta(minutes=10), usegmt=True), 600.0),
        (429, format_datetime(NOW - timedelta(minutes=10), usegmt=True), 5.0),
        (429, "Wed, 25 Nov 2026 07:45:00", 600.0),
        (429, "soon", 5.0),
        (429, "-1", 5.0),
        (429, "\u0663", 5.0),
        (500, "120", 5.0),
    ],
)
def test_retry_after_is_honoured_within_bounds(status: int, header: str, delay_s: float) -> None:
    assert judge(Reply(status, {"Retry-After": header})).delay_s == delay_s
