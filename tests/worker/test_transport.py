"""Which messages the transport drops before Celery sees them; `tests/faults/hostile` sends them to a real worker."""

from typing import Any

import pytest
from kombu.message import Message
from kombu.transport.redis import Channel

from kaboom.worker.transport import MAX_BYTES, GuardedChannel, _check_content, _check_limits, _check_size, _check_types


class Counted:
    """A channel that counts what is given back."""

    def __init__(self) -> None:
        self.rejected = 0

    def basic_reject(self, _tag: object, *, requeue: bool) -> None:
        """Count a message that is dropped."""
        assert not requeue
        self.rejected += 1


def message_of(*, channel: Any = None, **values: Any) -> Message:
    """Return a message as Kaboom sends them; `values` override."""
    given = {
        "body": b'[[], {"job_id": "a"}, {}]',
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {"task": "ingest.chunk", "id": "a", "eta": None, "timelimit": [None, None]},
        "properties": {"correlation_id": "a", "priority": 0},
    }
    return Message(channel=channel, delivery_tag="1", **(given | values))


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def test_a_message_of_kaboom_passes() -> None:
    for check in (_check_content, _check_types, _check_limits):
        check(message_of())
        check(message_of(headers=None))
    _check_content(message_of(content_encoding="UTF-8", body=nested(200).decode()))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"content_type": "application/x-python-serialize"}, "content type"),
        ({"content_encoding": "latin-1"}, "content type"),
        ({"headers": {"compression": "gzip"}}, "compressed"),
        ({"headers": {"eta": "2999-01-01T00:00:00"}}, "for later"),
        ({"body": b"{"}, "unexpected end"),
        ({"body": nested(300)}, "ecursion|nested|depth"),
        ({"headers": {"x": 10**40}}, "64-bit"),
        ({"properties": {"x": 10**40}}, "64-bit"),
    ],
)
def test_what_is_no_plain_json_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises((ValueError, TypeError), match=why):  # orjson's are both
        _check_content(message_of(**values))


@pytest.mark.parametrize("part", ["headers", "properties"])
@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("task", "a", 1), ("correlation_id", "a", ["a"]), ("retries", 1, "1"), ("ignore_result", True, "yes"),
        ("expires", 1.5, [1]), ("stamps", {}, []), ("stamped_headers", [], {}), ("delivery_info", {}, ""),
    ],
)  # fmt: skip
def test_a_header_has_the_type_of_celery_s_protocol(part: str, name: str, good: object, bad: object) -> None:
    for value in (good, None):
        _check_types(message_of(**{part: {name: value}}))
    with pytest.raises(TypeError, match=name):
        _check_types(message_of(**{part: {name: bad}}))


def test_a_stamped_message_is_refused() -> None:
    with pytest.raises(ValueError, match="stamped"):
        _check_types(message_of(headers={"stamped_headers": ["x"]}))


@pytest.mark.parametrize("limits", [None, [], [None, None], [1, 1.5], [None, 30]])
def test_limits_are_two_numbers_from_1_or_nulls(limits: object) -> None:
    _check_limits(message_of(headers={"timelimit": limits}))


@pytest.mark.parametrize("limits", [[1], [1, 2, 3], [0.9, None], [None, 0], ["1", None], "ab"])
def test_other_limits_are_refused(limits: object) -> None:
    with pytest.raises(TypeError, match="timelimit"):
        _check_limits(message_of(headers={"timelimit": limits}))


def test_a_message_has_at_most_256_kib() -> None:
    _check_size(256 * 1024)
    with pytest.raises(ValueError, match=f"{MAX_BYTES + 1} bytes, expected at most {MAX_BYTES}"):
        _check_size(MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("values", "fails", "seen"),
    [({}, False, True), ({"headers": {"eta": "tomorrow"}}, False, False), ({}, True, True)],
    ids=["good", "refused", "celery fails on it"],
)
def test_a_bad_message_is_dropped_and_a_good_one_never_writes_a_result(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], *, fails: bool, seen: bool
) -> None:
    def consume(_self: Channel, _queue: str, _no_ack: bool, callback: Any, _tag: str) -> Any:  # noqa: FBT001  kombu's
        return callback

    def take(message: Message) -> None:
        taken.append(message)
        if fails:
            raise RuntimeError("a bug of Celery")

    monkeypatch.setattr(Channel, "basic_consume", consume)
    channel, taken = Counted(), list[Message]()
    guarded = GuardedChannel.basic_consume(GuardedChannel.__new__(GuardedChannel), "ingest", False, take, "tag")  # noqa: FBT003  kombu's
    message = message_of(channel=channel, **values)
    guarded(message)
    assert [each is message for each in taken] == [True] * seen
    assert channel.rejected == (not seen or fails)
    assert ("ignore_result" in message.headers) == seen
