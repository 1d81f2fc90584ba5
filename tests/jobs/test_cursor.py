"""Cursors come back as the place that they name, in their own list, and nothing else passes for one."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from kaboom.errors import InvalidRequest
from kaboom.jobs.cursor import CursorSigner
from tests.fixtures.jobs.jobs import make_job

ANY_LIST = TypeAdapter(list[object])
ZONED = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  given a zone here
KEY = bytes(range(32))
SIGNER = CursorSigner(KEY)
SCOPE = ["ingest", "owner", ["queued"], ["prime"], None, None]
CURSOR = SIGNER.encode(make_job(requested_at=datetime(2026, 11, 24, tzinfo=UTC)), SCOPE)


def refuse(text: str, scope: Sequence[object] = SCOPE, signer: CursorSigner = SIGNER) -> None:
    with pytest.raises(InvalidRequest, match="take next_cursor of the page before"):
        signer.decode(text, scope)


@given(ZONED)
def test_a_cursor_holds_microseconds(at: datetime) -> None:
    job = make_job(requested_at=at)
    cursor = SIGNER.encode(job, SCOPE)
    # Another process with the same key takes it too.
    assert CursorSigner(KEY).decode(cursor, SCOPE) == (at, job.job_id)
    assert cursor.isascii()
    assert not set(cursor) & set("=+/")
    assert len(cursor) <= 200


def test_a_cursor_of_another_key_is_refused() -> None:
    refuse(CursorSigner(KEY[::-1]).encode(make_job(requested_at=datetime(2026, 11, 24, tzinfo=UTC)), SCOPE))


@pytest.mark.parametrize(
    "place",
    [
        [],
        ["2026-11-24T00:00:00+00:00"],
        ["2026-11-24T00:00:00+00:00", "a", "b"],
        ["2026-11-24T00:00:00", "a"],
        ["yesterday", "a"],
        ["", "a"],
        [5, "a"],
        [None, None],
        ["2026-11-24T00:00:00+00:00", 5],
        ["2026-11-24T00:00:00+00:00", ["a"]],
    ],
)
def test_a_signed_cursor_of_another_shape_is_refused(place: list[object]) -> None:
    refuse(SIGNER.encode_place(place, SCOPE))


@pytest.mark.parametrize("place", range(len(SCOPE)))
def test_a_cursor_is_valid_for_one_list(place: int) -> None:
    refuse(CURSOR, [*SCOPE[:place], "other", *SCOPE[place + 1 :]])


def test_no_byte_of_it_can_be_changed() -> None:
    content = base64.urlsafe_b64decode(CURSOR + "=" * (-len(CURSOR) % 4))
    for n in range(len(content)):
        changed = content[:n] + bytes([content[n] ^ 1]) + content[n + 1 :]
        refuse(base64.urlsafe_b64encode(changed).decode().rstrip("="))


@pytest.mark.parametrize("text", ["", "x", "not a cursor", "日本", "AAAA", CURSOR[:-4], CURSOR + "AAAA"])
def test_anything_else_is_refused(text: str) -> None:
    refuse(text)


@given(st.lists(st.text(max_size=20) | st.integers(-(2**53), 2**53), max_size=3))
def test_a_cursor_holds_the_place_of_any_list(place: list[object]) -> None:
    cursor = SIGNER.encode_place(place, ["/api/v1/bars/7203", "1m"])
    assert SIGNER.decode_place(cursor, ["/api/v1/bars/7203", "1m"], ANY_LIST) == place
    with pytest.raises(InvalidRequest):
        SIGNER.decode_place(cursor, ["/api/v1/bars/6758", "1m"], ANY_LIST)
    refuse(cursor)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_nothing_makes_it_fail_otherwise(text: str) -> None:
    refuse(text)
