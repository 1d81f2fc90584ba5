"""The command line's HTTP client: JSON in and out, problems as exit codes."""

import contextlib
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import httpx2
import orjson

from app.cli.exits import CliError, Exit, exit_for_status
from app.words.problems import join_title
from app.words.speaker import Speaker
from batch.kit.clock import utc_now
from batch.kit.printable import clean
from batch.kit.retry import parse_retry_after

INGEST = "/api/v1/ingest"
SCHEDULES = "/api/v1/schedules"
JOBS = "/api/v1/jobs"
DEAD_LETTERS = "/api/v1/dead-letters"
_TOO_MANY, _NO_CONTENT = 429, 204
#: The slowest answer of the API is a 503 when Redis does not answer, within 7 s.
_ANSWER_S = 10.0
#: The longest Retry-After that a command waits for.
_MOST_WAIT_S = 60
_PATIENCE_S = 30.0
_PAUSE_S = 0.5


class ApiClient:
    """Calls one Kaboom API with one token."""

    def __init__(self, url: str, token: str, words: Speaker) -> None:
        self.url = url.rstrip("/")
        self._words = words
        self._http = httpx2.Client(
            base_url=self.url,
            timeout=_ANSWER_S,
            # As bytes: a token may hold any character, a header as text only ASCII.
            headers={b"x-ingest-token": token.encode(), b"Accept-Language": words.language.encode()},
            trust_env=not url.startswith("http://127."),
        )
        # Commands do not close their client; its connection is closed with it.
        weakref.finalize(self, self._http.close)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON of an answer, None for an empty one.

        Raises:
            CliError: the server does not answer, or answered with a problem.

        """
        answer = self._ask(method, path, **options)
        if answer.status_code == _TOO_MANY and method == "GET":
            # Nothing was done, and the server says when to retry.
            time.sleep(_retry_after_s(answer))
            answer = self._ask(method, path, **options)
        if answer.status_code >= 400:
            raise _fault(self._words, answer)
        try:
            return orjson.loads(answer.content) if answer.content else None
        except ValueError as e:
            message = self._words.say("unreachable", url=self.url, reason=self._words.say("not_json"))
            raise CliError(Exit.UNAVAILABLE, message) from e

    def fetch(self, path: str, *, timeout_s: float = _ANSWER_S) -> bytes:
        """Return the body of an answer that is not JSON.

        Raises:
            CliError: the server does not answer, or answered with a problem.

        """
        answer = self._ask("GET", path, timeout=timeout_s)
        if answer.status_code >= 400:
            raise _fault(self._words, answer)
        return answer.content

    def events(self, path: str, **params: str) -> Iterator[tuple[str, Any]]:
        """Yield the id and the JSON of each server-sent event, until the server ends the stream.

        A broken connection is resumed after the last event.

        Raises:
            CliError: the server does not answer for 30 s, or answered with a problem.

        """
        last, deadline = "", time.monotonic() + _PATIENCE_S
        while True:
            try:
                with self._stream(path, last, params) as answer:
                    if answer.status_code == _NO_CONTENT:
                        return
                    for event_id, data in parse_events(answer.iter_lines()):
                        last, deadline = event_id, time.monotonic() + _PATIENCE_S
                        yield event_id, orjson.loads(data)
            except httpx2.HTTPError as e:
                if time.monotonic() > deadline:
                    raise self._unreachable(e) from e
            except CliError as e:
                if e.code not in {Exit.UNAVAILABLE, Exit.RATE_LIMITED} or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_S)

    @contextlib.contextmanager
    def _stream(self, path: str, last: str, params: dict[str, str]) -> Iterator[httpx2.Response]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        with self._http.stream("GET", path, params=params, headers=headers) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise _fault(self._words, answer)
            yield answer

    def _ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            return self._http.request(method, path, **options)
        except (httpx2.HTTPError, httpx2.InvalidURL) as e:
            raise self._unreachable(e) from e

    def _unreachable(self, error: Exception) -> CliError:
        return CliError(Exit.UNAVAILABLE, self._words.say("unreachable", url=self.url, reason=type(error).__name__))


def parse_events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the id and the data of each server-sent event that has both, from lines of text."""
    event: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name in {"id", "data"}:
            event[name] = value.removeprefix(" ")
        if not line and len(event) == 2:
            yield event["id"], event["data"]
        if not line:
            event = {}


def _fault(words: Speaker, answer: httpx2.Response) -> CliError:
    return CliError(exit_for_status(answer.status_code), clean(_problem_text(words, answer), keep_lines=True))


def _retry_after_s(answer: httpx2.Response) -> float:
    asked_s = parse_retry_after(answer.headers, utc_now())
    return 1.0 if asked_s is None else min(asked_s, _MOST_WAIT_S)


def _all_faults(problem: dict[str, Any]) -> str:
    """Return the detail of a problem; where several fields are faulty, a line for each."""
    faults = [f"{fault['pointer']}: {fault['detail']}" for fault in problem.get("errors", ())]
    return "\n  ".join(map(clean, faults)) if len(faults) > 1 else clean(problem["detail"])


def _problem_text(words: Speaker, answer: httpx2.Response) -> str:
    try:
        problem = orjson.loads(answer.content)
        text = clean(join_title(problem["title"], _all_faults(problem)), keep_lines=True)
        return words.say("problem", text=text, request_id=problem["request_id"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}: {answer.text[:200]}"
