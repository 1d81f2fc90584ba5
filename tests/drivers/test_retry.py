"""Pauses grow and spread, Retry-After is read in each form, and an unavailable store is called again for a while."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.drivers.http.reply import Headers
from kaboom.drivers.retry import backoff_s, parse_retry_after, retry_while_unavailable
from kaboom.errors import NotFound, StoreError

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 16, 6, 30, tzinfo=UTC)


def parse(text: str) -> float | None:
    return parse_retry_after(Headers([("retry-after", text)]), NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 30 ", 30),
        ("0000000000000000120", 120),
        ("9" * 5000, 1e9),
        ("Mon, 16 Nov 2026 06:31:00 GMT", 60),
        ("Monday, 16-Nov-26 06:31:00 GMT", 60),
        ("Mon Nov 16 06:31:00 2026", 60),
        ("Mon, 16 Nov 2026 06:31:00 -0000", 60),
        ("Mon, 16 Nov 2026 06:31:00", 60),
        ("Mon, 16 Nov 2026 15:31:00 +0900", 60),
        ("Mon, 16 Nov 2026 06:00:00 GMT", 0),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("5, 9", None),
        ("\u0663", None),
        ("soon", None),
        ("Mon, 99 Nov 2026 06:31:00 GMT", None),
        ("Mon, 16 Nov 2026 06:31:00 +9999", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert parse(text) == seconds


def test_no_header_asks_for_no_pause() -> None:
    assert parse_retry_after({}, NOW) is None


@given(
    st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, ?[0-9]{1,12} [A-Z][a-z]{2} [0-9]{1,12} [0-9:]{0,12} .{0,9}")
)
def test_any_text_is_a_finite_pause_or_none(text: str) -> None:
    seconds = parse_retry_after({"Retry-After": text}, NOW)
    assert seconds is None or 0 <= seconds < 1e12


@given(st.datetimes(), st.integers(-12, 14))
def test_a_date_of_any_zone_is_the_time_until_then(at: datetime, hours: int) -> None:
    moment = at.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))
    seconds = parse_retry_after({"Retry-After": format_datetime(moment)}, NOW)
    # A year of three digits or fewer is read as a short one.
    assert seconds == max(0.0, (moment - NOW).total_seconds()) or at.year < 1000


@pytest.mark.parametrize(("retries", "full_s"), [(0, 0.5), (1, 1), (2, 2), (5, 16), (6, 30), (10**6, 30)])
def test_a_pause_doubles_up_to_the_longest(retries: int, full_s: float) -> None:
    assert backoff_s(retries, first_s=0.5, longest_s=30, jitter=0) == full_s


def test_jitter_leaves_off_up_to_its_share() -> None:
    pauses = [backoff_s(1, first_s=1, longest_s=30, jitter=0.25) for _ in range(200)]
    assert 1.5 <= min(pauses) < 1.6
    assert 1.9 < max(pauses) <= 2


class Unavailable:
    """A store that fails its first calls."""

    def __init__(self, times: int, error: Exception | None = None) -> None:
        self.calls, self._times = 0, times
        self._error = error or StoreError("away")

    async def ask(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error
        return "here"


async def test_an_answer_is_returned_at_once() -> None:
    store = Unavailable(0)
    assert await retry_while_unavailable(store.ask, for_s=5) == "here"
    assert store.calls == 1


async def test_a_store_that_comes_back_is_waited_for() -> None:
    store = Unavailable(3)
    assert await retry_while_unavailable(store.ask, for_s=30) == "here"
    assert store.calls == 4


async def test_a_store_that_stays_unavailable_is_given_up_in_time() -> None:
    store, clock = Unavailable(10**6), asyncio.get_running_loop().time
    began_at = clock()
    with pytest.raises(StoreError, match="away"):
        await retry_while_unavailable(store.ask, for_s=0.3)
    # The last call comes when the time is over, and not a whole pause later.
    assert 0.3 <= clock() - began_at < 2
    assert store.calls >= 3


@pytest.mark.parametrize("error", [NotFound("no such job"), StoreError("damaged", retryable=False)])
async def test_any_other_error_is_raised_at_once(error: Exception) -> None:
    store = Unavailable(1, error)
    with pytest.raises(type(error)):
        await retry_while_unavailable(store.ask, for_s=30)
    assert store.calls == 1
