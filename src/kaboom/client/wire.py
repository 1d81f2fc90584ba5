"""HTTP with one Kaboom: JSON and tables in and out, problems as errors, and reads that wait for their turn."""

import contextlib
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx2
import orjson

from kaboom.drivers.clock import utc_now
from kaboom.drivers.retry import parse_retry_after
from kaboom.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    KaboomError,
    NotAuthorized,
    NotFound,
    Problem,
    TooManyRequests,
    Unavailable,
)

TOO_MANY, _NO_CONTENT, BUSY = 429, 204, 503
#: The slowest answer of the API is a 503 when Redis does not answer, within 7 s.
ANSWER_S = 10.0
#: The longest Retry-After that a read waits for.
MOST_WAIT_S = 60
#: How long a stream of events is resumed while the server does not answer.
PATIENCE_S = 30.0
_PAUSE_S = 0.5
_JSON = {"Content-Type": "application/json"}
_KINDS = {401: NotAuthorized, 403: Forbidden, 404: NotFound, 409: Conflict}


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a read is made again, and after which answers; each pause is the answer's Retry-After."""

    count: int = 1
    statuses: Collection[int] = (TOO_MANY,)


class Wire:
    """Calls one Kaboom with one token. It may be used by several threads."""

    def __init__(self, url: str, token: str, *, language: str = "en", retries: Retries = Retries()) -> None:
        self.url = url.rstrip("/")
        self._retries = retries
        self._http = httpx2.Client(
            base_url=self.url,
            timeout=ANSWER_S,
            # As bytes: a token may hold any character, a header as text only ASCII.
            headers={b"x-ingest-token": token.encode(), b"Accept-Language": language.encode()},
            trust_env=not url.startswith("http://127."),
        )
        # Nobody has to close a client; its connections are closed with it.
        weakref.finalize(self, self._http.close)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON of an answer, None for an empty one.

        Raises:
            KaboomError: the server does not answer, or answered with a problem.

        """
        return self._parse(self.ask(method, path, **options))

    def readiness(self, *, timeout_s: float) -> Any:
        """Return the JSON of `/readyz`, also from a server that is not ready.

        Raises:
            KaboomError: the server does not answer, or not with JSON.

        """
        return self._parse(self._send("GET", "/readyz", timeout=timeout_s))

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Return an answer; a read that the server put off is made again after the pause that it asked for.

        Raises:
            KaboomError: the server does not answer, or answered with a problem.

        """
        answer = self._send(method, path, **options)
        for _ in range(self._retries.count if method == "GET" else 0):
            if answer.status_code not in self._retries.statuses:
                break
            # Nothing was done, and the server says when to retry.
            time.sleep(_pause_s(answer))
            answer = self._send(method, path, **options)
        if answer.status_code >= 400:
            raise_problem(answer)
        return answer

    def events(self, path: str, **params: str) -> Iterator[tuple[str, Any]]:
        """Yield the id and the JSON of each server-sent event, until the server ends the stream.

        A broken connection is resumed after the last event.

        Raises:
            KaboomError: the server does not answer for 30 s, or answered with a problem.

        """
        last, deadline = "", time.monotonic() + PATIENCE_S
        while True:
            try:
                with self._stream(path, last, params) as answer:
                    if answer.status_code == _NO_CONTENT:
                        return
                    for event_id, data in parse_events(answer.iter_lines()):
                        last, deadline = event_id, time.monotonic() + PATIENCE_S
                        yield event_id, orjson.loads(data)
            except httpx2.HTTPError as e:
                if time.monotonic() > deadline:
                    raise self._unreachable(e) from e
            except (Unavailable, TooManyRequests):
                if time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_S)

    @contextlib.contextmanager
    def _stream(self, path: str, last: str, params: dict[str, str]) -> Iterator[httpx2.Response]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        with self._http.stream("GET", path, params=params, headers=headers) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise_problem(answer)
            yield answer

    def _send(self, method: str, path: str, *, json: Any = None, **options: Any) -> httpx2.Response:
        if json is not None:
            options |= {"content": _to_json(json), "headers": (options.get("headers") or {}) | _JSON}
        try:
            return self._http.request(method, path, **options)
        except (httpx2.HTTPError, httpx2.InvalidURL) as e:
            raise self._unreachable(e) from e

    def _parse(self, answer: httpx2.Response) -> Any:
        try:
            return orjson.loads(answer.content) if answer.content else None
        except ValueError as e:
            raise Unavailable(f"{self.url} answered something else than JSON") from e

    def _unreachable(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self.url} did not answer ({type(error).__name__})", retryable=True)


def _to_json(value: Any) -> bytes:
    """Return JSON; days and times as ISO 8601, decimals as texts, NaN and infinity as null."""

    def convert(other: Any) -> str:
        if isinstance(other, Decimal):
            return str(other)
        raise TypeError

    try:
        return orjson.dumps(value, default=convert, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as e:
        raise InvalidRequest(f"the request cannot be sent as JSON: {e}") from e


def raise_problem(answer: httpx2.Response) -> None:
    """Raise the error of an answer, from the `Problem` that the server told.

    Raises:
        KaboomError: always.

    """
    try:
        said = orjson.loads(answer.content)
        text = f"{said['title']}: {said['detail']} (request {said['request_id']})"
    except (ValueError, KeyError, TypeError):
        said, text = {}, f"HTTP {answer.status_code}: {answer.text[:200]}"
    raise _error_of(answer, said, text) from Problem(answer.status_code, said, answer.text[:200])


def _error_of(answer: httpx2.Response, said: Mapping[str, Any], text: str) -> KaboomError:
    status = answer.status_code
    if status == TOO_MANY:
        return TooManyRequests(text, retryable=True, retry_after_s=parse_retry_after(answer.headers, utc_now()))
    if status >= 500:
        return Unavailable(text, retryable=status == BUSY)
    if kind := _KINDS.get(status):
        return kind(text)
    faulty = said.get("errors") or [{"pointer": ""}]
    return InvalidRequest(text, pointer=str(faulty[0]["pointer"]).removeprefix("#"))


def _pause_s(answer: httpx2.Response) -> float:
    asked_s = parse_retry_after(answer.headers, utc_now())
    return 1.0 if asked_s is None else min(asked_s, MOST_WAIT_S)


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
