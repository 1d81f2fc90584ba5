"""Requests to one provider's server, each with a permit of its rate limiter."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from batch.kit.http.client import HttpClient
from batch.kit.http.reply import Reply
from batch.providers.limiter.rate_limiter import RateLimiter
from batch.providers.replies import Server, read_body, read_object


class ProviderWire:
    """Gets answers from a provider's server, each request with a permit."""

    def __init__(
        self,
        client: HttpClient,
        server: Server,
        rate_limiter: RateLimiter,
        *,
        headers: Mapping[str, str],
        secret: str = "",
    ) -> None:
        """Take a client of the server and its rate limiter; `secret` is kept out of every message."""
        self._client = client
        self._server = server
        self._rate_limiter = rate_limiter
        self._headers = headers
        self._secret = secret.encode()

    async def get(self, path: str, params: Mapping[str, str], *, accept: Collection[int] = (200,)) -> Mapping[str, Any]:
        """Return the JSON object at a path, whose status is among those accepted.

        Raises:
            RateLimited: the server asks for a pause, or its pause has not ended.
            ProviderError: the server failed, or did not return a JSON object.

        """
        async with self._rate_limiter.permit():
            reply = await self._client.get(path, params=params, headers=self._headers)
            return read_object(self._without_secret(reply), self._server, accept=accept)

    async def get_body[T](self, path: str, params: Mapping[str, str], read: Callable[[bytes], T]) -> T:
        """Return the result of `read` for the body at a path, such as CSV.

        `read` runs while the permit is held: a `ProviderError` that it raises counts as a failure of the server.

        Raises:
            RateLimited: the server asks for a pause, or its pause has not ended.
            ProviderError: the server failed, or `read` raised it.

        """
        async with self._rate_limiter.permit():
            reply = await self._client.get(path, params=params, headers=self._headers)
            return read(read_body(self._without_secret(reply), self._server))

    async def close(self) -> None:
        """Release the connections."""
        await self._rate_limiter.close()
        await self._client.close()

    def _without_secret(self, reply: Reply) -> Reply:
        if self._secret and self._secret in reply.body:
            return replace(reply, body=reply.body.replace(self._secret, b"***"))
        return reply
