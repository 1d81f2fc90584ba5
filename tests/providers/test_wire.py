"""What an HTTP answer means, status by status."""

import pytest

from kaboom.drivers.http.reply import Reply
from kaboom.errors import ProviderError, RateLimited
from kaboom.providers.wire import Server, quote, read_object, read_retry_after

SERVER = Server("acme", "get a key")


@pytest.mark.parametrize(
    ("reply", "message", "retryable"),
    [
        (Reply(None, failure="no answer within 30 s"), "acme: no answer within 30 s", True),
        (Reply(401, {}, b""), "acme said 401, it refused the request: get a key", False),
        (Reply(403, {}, b'{"message": "no"}'), "acme said 403, it refused the request: get a key; it said 'no'", False),
        (Reply(500, {}, b"oops"), "acme: status was 500, expected 200; it said 'oops'", True),
        (Reply(404, {}, b""), "acme: status was 404, expected 200; it said nothing", False),
        (Reply(302, {}, b""), "status was 302", False),
        (Reply(204, {}, b""), "status was 204", False),
        (Reply(200, {}, b""), "status was 200 and the answer nothing, expected a JSON object", True),
        (Reply(200, {}, b"Exceeded the daily"), "answer 'Exceeded the daily', expected a JSON object", True),
        (Reply(200, {}, b'{"data": ['), "expected a JSON object", True),
        (Reply(200, {}, b"[1]"), "expected a JSON object", True),
        (Reply(200, {}, b"null"), "expected a JSON object", True),
        (Reply(200, {}, b'{"a": NaN}'), "expected a JSON object", True),
    ],
)
def test_all_but_an_object_is_an_error_in_words(reply: Reply, message: str, *, retryable: bool) -> None:
    with pytest.raises(ProviderError) as caught:
        read_object(reply, SERVER)
    assert message in caught.value.message
    assert caught.value.retryable is retryable
    assert not isinstance(caught.value, RateLimited)


def test_an_object_is_given_with_each_status_that_is_accepted() -> None:
    assert read_object(Reply(200, {}, b'{"a": 1}'), SERVER) == {"a": 1}
    assert read_object(Reply(404, {}, b'{"a": 1}'), SERVER, accept={200, 404}) == {"a": 1}


def test_429_is_a_pause_and_503_says_when() -> None:
    with pytest.raises(RateLimited) as limited:
        read_object(Reply(429, {"Retry-After": "12"}), SERVER)
    assert limited.value.retry_after_s == 12
    with pytest.raises(ProviderError) as away:
        read_object(Reply(503, {"Retry-After": "12"}), SERVER)
    assert away.value.retry_after_s == 12


@pytest.mark.parametrize(
    ("text", "seconds"), [("86400", 86_400), ("86401", None), ("99999999999", None), ("soon", None)]
)
def test_a_pause_of_more_than_a_day_is_ignored(text: str, seconds: float | None) -> None:
    assert read_retry_after({"Retry-After": text}) == seconds


@pytest.mark.parametrize(
    ("body", "line"),
    [(b"", "nothing"), (b" \n\t", "nothing"), (b"a\x1b[31m\n b\xff", "'a [31m b\ufffd'"), (b"x" * 500, repr("x" * 80))],
)
def test_a_quote_is_one_short_printable_line(body: bytes, line: str) -> None:
    assert quote(body) == line
