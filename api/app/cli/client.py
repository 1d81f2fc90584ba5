"""The command line's HTTP client: JSON in and out, problems as exit codes."""

import weakref
from typing import Any

import httpx2

from app.cli.exits import CliError, exit_for_status
from app.cli.words import Speaker

INGEST = "/api/v1/ingest"
SCHEDULES = "/api/v1/schedules"


class ApiClient:
    """Calls one Kaboom API with one token."""

    def __init__(self, url: str, token: str, words: Speaker) -> None:
        self.url = url.rstrip("/")
        self._words = words
        # The longest answer is a 503 of a frozen Redis, within 7 s.
        self._http = httpx2.Client(
            base_url=self.url,
            timeout=10,
            # As bytes: a token may hold any letter, and a header text only ASCII.
            headers={b"x-ingest-token": token.encode(), b"Accept-Language": words.language.encode()},
            trust_env=not url.startswith("http://127."),
        )
        # A command makes a client where it needs one; its connection ends with it.
        weakref.finalize(self, self._http.close)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON of an answer, None for an empty one.

        Raises:
            CliError: the server is away, or answered with a problem.

        """
        try:
            answer = self._http.request(method, path, **options)
        except (httpx2.HTTPError, httpx2.InvalidURL) as e:
            message = self._words.say("unreachable", url=self.url, reason=type(e).__name__)
            raise CliError(exit_for_status(503), message) from e
        if answer.status_code >= 400:
            raise CliError(exit_for_status(answer.status_code), _problem_text(answer))
        try:
            return answer.json() if answer.content else None
        except ValueError as e:
            message = self._words.say("unreachable", url=self.url, reason="it answered something else than JSON")
            raise CliError(exit_for_status(503), message) from e


def _problem_text(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
        return f"{problem['title']}: {problem['detail']} (request {problem['request_id']})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}: {answer.text[:200]}"
