"""What the workflow that is always due talks to: a calendar that a test sets, and jobs that are done at once."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fixtures.servers.http_servers import Request, Response, serving

_ID = "0123456789abcdef0123456789abcdef"
_JOB: object = {"job_id": _ID, "status": "completed", "task": "ingest.run_daily", "market": "TSE_PRIME", "result": None}
_JSON = {"Content-Type": "application/json"}


@dataclass
class Desk:
    """A stand-in of the API; whatever day it is, the calendar says what `sessions` says."""

    url: str = ""
    sessions: list[str] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)

    def asked(self, path: str) -> list[Request]:
        """Return the requests of a path."""
        return [request for request in self.seen if request.path == path]

    def answer(self, request: Request) -> Response:
        """Answer as the API does."""
        self.seen.append(request)
        status = 200
        body: object = {}
        if request.path == "/api/v1/calendar":
            body = {"items": [{"session": session} for session in self.sessions]}
        elif request.path == "/api/v1/ingest/run-daily":
            status, body = 202, {"job_id": _ID, "status": "queued"}
        elif request.path == f"/api/v1/ingest/jobs/{_ID}":
            body = _JOB
        return Response(status, json.dumps(body).encode(), _JSON)


@contextmanager
def clock_desk() -> Iterator[Desk]:
    """Run one."""
    desk = Desk()
    with serving(desk.answer) as url:
        desk.url = url
        yield desk
