"""The command line's client waits for the end of a rate-limit window, and reads once more."""

import pytest

from kaboom.cli.client import ApiClient
from kaboom.cli.exits import CliError, Exit
from kaboom.text.speaker import Speaker
from tests.fixtures.servers.http_servers import Request, Response, serving

PAST = "Mon, 16 Nov 2020 06:31:00 GMT"


@pytest.mark.parametrize("retry_after", ["0", PAST])
def test_a_limited_read_is_made_again_after_the_pause(retry_after: str) -> None:
    answers = [Response(429, b"{}", {"Retry-After": retry_after}), Response(200, b'{"a": 1}')]
    with serving(lambda _: answers.pop(0)) as url:
        assert ApiClient(url, "token", Speaker("en")).call("GET", "/x") == {"a": 1}


def test_a_limited_write_is_not_made_again() -> None:
    seen: list[str] = []

    def refuse(request: Request) -> Response:
        seen.append(request.method)
        return Response(429, b"{}", {"Retry-After": "0"})

    with serving(refuse) as url, pytest.raises(CliError) as caught:
        ApiClient(url, "token", Speaker("en")).call("POST", "/x")
    assert (caught.value.code, seen) == (Exit.RATE_LIMITED, ["POST"])
