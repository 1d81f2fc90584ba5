"""Requests to one provider's server, each with a permit of its rate limiter, and the meaning of its answers."""

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import orjson

from kaboom.drivers.clock import utc_now
from kaboom.drivers.http.client import HttpClient
from kaboom.drivers.http.reply import Reply
from kaboom.drivers.retry import parse_retry_after
from kaboom.errors import ProviderError, RateLimited, RequestRejected
from kaboom.providers.limiter.rate_limiter import RateLimiter

_OK = frozenset({HTTPStatus.OK.value})
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED.value, HTTPStatus.FORBIDDEN.value})
#: A longer pause than a day is ignored.
_LONGEST_PAUSE_S = 86_400.0
_QUOTED = 80
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Server:
    """How messages name a provider's server.

    Attributes:
        name: the provider.
        on_refusal: the advice to the user after 401 and 403.

    """

    name: str
    on_refusal: str


def read_body(reply: Reply, server: Server, *, accept: Collection[int] = _OK) -> bytes:
    """Return the body of an answer whose status is among those accepted.

    Raises:
        RateLimited: 429; `retry_after_s` is None if the server did not name one.
        RequestRejected: a status from 400 to 499 except 401, 403 and 429.
        ProviderError: no answer, 401 or 403 (not retryable), or another status.

    """
    if reply.status is None:
        raise ProviderError(f"{server.name}: {reply.failure}", retryable=True)
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimited(f"{server.name} said 429, too many requests", retry_after_s=read_retry_after(reply.headers))
    if reply.status in _REFUSED:
        said = _quote_message(reply.body)
        reason = server.on_refusal if said == _NOTHING else f"{server.on_refusal}; it said {said}"
        raise ProviderError(f"{server.name} said {reply.status}, it refused the request: {reason}")
    if reply.status not in accept:
        is_rejected = HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
        kind = RequestRejected if is_rejected else ProviderError
        raise kind(
            f"{server.name}: status was {reply.status}, expected 200; it said {_quote_message(reply.body)}",
            retryable=reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
            retry_after_s=read_retry_after(reply.headers),
        )
    return reply.body


def read_object(reply: Reply, server: Server, *, accept: Collection[int] = _OK) -> Mapping[str, Any]:
    """Return the JSON object of an answer whose status is among those accepted.

    Raises:
        RateLimited: see `read_body`.
        ProviderError: see `read_body`, or the body is not a JSON object (retryable).

    """
    body = read_body(reply, server, accept=accept)
    with contextlib.suppress(orjson.JSONDecodeError):
        found = orjson.loads(body)
        if isinstance(found, dict):
            return found
    raise ProviderError(
        f"{server.name}: status was {reply.status} and the answer {quote(body)}, expected a JSON object",
        retryable=True,
    )


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a `Retry-After` header; None without such a header, or for more than a day."""
    wait_s = parse_retry_after(headers, utc_now())
    return wait_s if wait_s is not None and wait_s <= _LONGEST_PAUSE_S else None


def quote(body: bytes) -> str:
    """Return the beginning of a body as a printable line in quotes."""
    text = body[: _QUOTED * 4].decode("utf-8", "replace")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return repr(line[:_QUOTED]) if line else _NOTHING


def _quote_message(body: bytes) -> str:
    """Return the `message` of a JSON object in quotes, as J-Quants explains an error, or the beginning of any body."""
    with contextlib.suppress(orjson.JSONDecodeError):
        found = orjson.loads(body)
        if isinstance(found, dict) and isinstance(found.get("message"), str):
            return quote(found["message"].encode())
    return quote(body)


@dataclass(frozen=True, slots=True)
class ProviderWire:
    """Gets answers from a provider's server, each request with a permit; `secret` is kept out of every message."""

    client: HttpClient
    server: Server
    rate_limiter: RateLimiter
    headers: Mapping[str, str] = field(repr=False)
    secret: str = field(default="", repr=False)

    async def get(self, path: str, params: Mapping[str, str], *, accept: Collection[int] = (200,)) -> Mapping[str, Any]:
        """Return the JSON object at a path, whose status is among those accepted.

        Raises:
            RateLimited: the server asks for a pause, or its pause has not ended.
            ProviderError: the server failed, or did not return a JSON object.

        """
        async with self.rate_limiter.permit():
            reply = await self.client.get(path, params=params, headers=self.headers)
            return read_object(self._without_secret(reply), self.server, accept=accept)

    async def get_body[T](self, path: str, params: Mapping[str, str], read: Callable[[bytes], T]) -> T:
        """Return the result of `read` for the body at a path, such as CSV.

        `read` runs while the permit is held: a `ProviderError` that it raises counts as a failure of the server.

        Raises:
            RateLimited: the server asks for a pause, or its pause has not ended.
            ProviderError: the server failed, or `read` raised it.

        """
        async with self.rate_limiter.permit():
            reply = await self.client.get(path, params=params, headers=self.headers)
            return read(read_body(self._without_secret(reply), self.server))

    async def close(self) -> None:
        """Release the connections."""
        await self.rate_limiter.close()
        await self.client.close()

    def _without_secret(self, reply: Reply) -> Reply:
        secret = self.secret.encode()
        if secret and secret in reply.body:
            return replace(reply, body=reply.body.replace(secret, b"***"))
        return reply
