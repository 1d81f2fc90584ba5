"""Long answers, sent in pieces."""

from collections.abc import Mapping, Sequence

from fastapi import Response, status
from starlette.types import Receive, Scope, Send

#: The media type of a grid: one line of JSON, then a byte for each cell.
GRID_TYPE = "application/octet-stream"
_MOST = 256 * 1024


class Pieces(Response):
    """An answer sent in pieces of at most 256 KiB; copying 13 MB at once would block the event loop."""

    def __init__(
        self,
        pieces: Sequence[bytes | memoryview],
        status_code: int = status.HTTP_200_OK,
        *,
        headers: Mapping[str, str],
    ) -> None:
        length = {"content-length": str(sum(map(len, pieces)))} if pieces else {}
        super().__init__(status_code=status_code, headers={**headers, **length})
        self.pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; the server waits between pieces if the caller reads slowly."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self.pieces:
            for first in range(0, len(piece), _MOST):
                body = bytes(piece[first : first + _MOST])
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
