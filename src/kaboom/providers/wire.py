"""Requests to one provider's server, each with a permit of its rate limiter."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kaboom.drivers.http.client import HttpClient
from kaboom.drivers.http.reply import Reply
from kaboom.providers.limiter.rate_limiter import RateLimiter
from kaboom.providers.replies import Server, read_body, read_object


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
