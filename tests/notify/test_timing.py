"""When a message is sent, in Japan's time: at once, after quiet hours, or with its digest."""

from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.market.calendar import JST
from kaboom.notify.notifier import Timing

NIGHT = (time(22), time(7))


def jst(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}+09:00")


@pytest.mark.parametrize(
    ("timing", "now", "due"),
    [
        (Timing(), "25T16:35", "25T16:35"),
        (Timing(quiet=NIGHT), "25T21:59:59", "25T21:59:59"),
        (Timing(quiet=NIGHT), "25T22:00", "26T07:00"),
        (Timing(quiet=NIGHT), "26T00:00", "26T07:00"),
        (Timing(quiet=NIGHT), "26T06:59:59", "26T07:00"),
        (Timing(quiet=NIGHT), "26T07:00", "26T07:00"),
        (Timing(quiet=(time(9), time(15, 30))), "25T09:00", "25T15:30"),
        (Timing(quiet=(time(9), time(15, 30))), "25T15:30", "25T15:30"),
        (Timing(digest_at=time(18, 30)), "25T18:29", "25T18:30"),
        (Timing(digest_at=time(18, 30)), "25T18:30", "26T18:30"),
        (Timing(digest_minutes=60), "25T16:35", "25T17:00"),
        (Timing(digest_minutes=60), "25T17:00", "25T18:00"),
        (Timing(digest_minutes=1440), "25T00:00", "26T00:00"),
        # 23 steps of 61 minutes end at 23:23; the last one is cut off by midnight.
        (Timing(digest_minutes=61), "25T23:30", "26T00:00"),
        # A digest that falls into quiet hours waits for their end.
        (Timing(quiet=NIGHT, digest_at=time(23)), "25T16:35", "26T07:00"),
        (Timing(quiet=NIGHT, digest_minutes=60), "25T21:30", "26T07:00"),
    ],
)
def test_an_event_is_due(timing: Timing, now: str, due: str) -> None:
    assert timing.due_at(jst(now)) == jst(due)


TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@given(st.integers(0, 366 * 86_400), TIMES, TIMES, st.integers(5, 1440))
def test_a_message_is_never_early_never_in_quiet_hours_and_never_late(
    second: int, begins: time, ends: time, minutes: int
) -> None:
    local = jst("01T00:00") + timedelta(seconds=second)
    for timing in (Timing(quiet=(begins, ends)), Timing(quiet=(begins, ends), digest_minutes=minutes)):
        if begins == ends:
            continue
        due = timing.due_at(local).astimezone(JST)
        at = due.time()
        assert local <= due <= local + timedelta(days=2)
        assert not (begins <= at < ends if begins < ends else at >= begins or at < ends)
