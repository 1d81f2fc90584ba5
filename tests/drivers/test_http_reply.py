"""What a reply says of a request that got no answer."""

import pytest

from kaboom.drivers.http.reply import unanswered
from kaboom.errors import InvalidRequest


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TimeoutError(), "no answer within 2.5 s"),
        (ConnectionRefusedError(111, "Connection refused"), "could not connect: Connection refused"),
        # Of some errors the system gives no text.
        (ConnectionResetError(), "could not connect: ConnectionResetError"),
        (InvalidRequest("the address is private"), "could not connect: the address is private"),
    ],
)
def test_a_request_without_an_answer_says_why(error: InvalidRequest | OSError, failure: str) -> None:
    assert unanswered(error, timeout_s=2.5).failure == failure
