"""Long answers, sent piece by piece."""

from fastapi import Response
from starlette.types import Receive, Scope, Send

_PIECE = 256 * 1024


class Pieces(Response):
    """An answer whose body goes out in pieces of 256 KiB: one of 13 MB would be copied whole, and hold up the loop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; the server waits between pieces where the caller reads slowly."""
        if len(self.body) <= _PIECE:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        rest = memoryview(self.body)
        while rest:
            piece, rest = rest[:_PIECE], rest[_PIECE:]
            await send({"type": "http.response.body", "body": bytes(piece), "more_body": bool(rest)})
