"""Cursors come back as the place that they name, and nothing else passes for one."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.cursor import decode_cursor, encode_cursor
from batch.errors import InvalidRequest
from tests.fixtures.jobs import make_job

ZONED = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  given a zone here


def encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(ZONED)
def test_it_names_the_place_to_the_microsecond(at: datetime) -> None:
    job = make_job(requested_at=at)
    cursor = encode_cursor(job)
    assert decode_cursor(cursor) == (at, job.job_id)
    assert cursor.isascii()
    assert not set(cursor) & set("=+/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "not a cursor",
        "日本",
        encode([]),
        encode({"a": 1}),
        encode(["2026-11-24T00:00:00+00:00"]),
        encode([5, "a"]),
        encode([None, "a"]),
        encode(["", "a"]),
        encode(["2026-11-24T00:00:00", "a" * 32]),
        encode(["2026-11-24T00:00:00+00:00", ""]),
        encode(["2026-11-24T00:00:00+00:00", "a\x00b"]),
        encode(["2026-11-24T00:00:00+00:00", ["a"]]),
        encode(["2026-11-24T00:00:00+00:00", "a", "b"]),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="take next_cursor of the page before"):
        decode_cursor(text)


@given(st.text(max_size=60) | st.lists(st.text(max_size=40) | st.integers(), max_size=3).map(encode))
def test_nothing_makes_it_fail_otherwise(text: str) -> None:
    try:
        at, job_id = decode_cursor(text)
    except InvalidRequest:
        return
    assert at.tzinfo is not None
    assert job_id.isalnum()
