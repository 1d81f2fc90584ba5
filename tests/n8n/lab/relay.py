"""What stands before the API: it writes down what n8n asks, and answers in the API's place where a test says so."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2

from tests.fixtures.servers.http_servers import Request, Response, serving

#: Of one connection, or of a body as it came over it.
_OF_THE_WIRE = frozenset({"connection", "content-encoding", "content-length", "host", "transfer-encoding"})


@dataclass
class Relay:
    """A server that asks another one."""

    http: httpx2.Client
    url: str = ""
    target: str = ""
    instead: Callable[[Request], Response] | None = None
    seen: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        """Answer as the target does, or as told."""
        self.seen.append(request)
        if self.instead is not None:
            return self.instead(request)
        url, headers = self.target + request.target, _lasting(request.headers)
        found = self.http.request(request.method, url, content=request.body, headers=headers)
        return Response(found.status_code, found.content, _lasting(found.headers))


def say(status: int, body: bytes = b"{}", **headers: str) -> Callable[[Request], Response]:
    """Return what answers so, whatever is asked."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Response(status, body, named)


@contextmanager
def relaying() -> Iterator[Relay]:
    """Run one."""
    with httpx2.Client(timeout=60, trust_env=False) as http:
        relay = Relay(http)
        with serving(relay.answer) as url:
            relay.url = url
            yield relay


def _lasting(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OF_THE_WIRE}
