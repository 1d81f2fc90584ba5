"""Turn a table into an HTTP answer: format, strong ETag, cursor, link to the next page."""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import orjson
from fastapi import Depends, Request, Response, status
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from kaboom.bars.export.formats import Format
from kaboom.drivers.lazy import Lazy
from kaboom.jobs.deps import Cursors, Shared
from kaboom.market_data.queries import ManyBarsQuery, Query
from kaboom.market_data.service import LazyMarketTables, MarketTables
from kaboom.market_data.table import Grid, Table
from kaboom.web.caller_errors import NotAcceptable
from kaboom.web.routers import link_next
from kaboom.web.server.negotiate import accepts_gzip, has_tag
from kaboom.web.services import service

if TYPE_CHECKING:
    from kaboom.jobs.cursor import Cursors as CursorsOfProcess
    from kaboom.jobs.deps import OwnersSharing


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


type Find = Callable[[MarketTables, list[Any] | None], Awaitable[Table]]
type FindGrid = Callable[[MarketTables], Awaitable[Grid]]

#: The formats of bars of many symbols; the first is the default.
_STREAMED = (Format.ARROW, Format.PARQUET, Format.CSV)
#: Clients do not send more parts; further parts are ignored.
_MOST_PARTS = 50
#: The media types without parameters, with their alternative names.
_NAMES = {form: {form.media_type.partition(";")[0]} for form in Format}
_NAMES[Format.ARROW] |= {"application/vnd.apache.arrow"}
_NAMES[Format.PARQUET] |= {"application/x-parquet"}


@dataclass(frozen=True, slots=True)
class _Encoded:
    """An encoded table in pieces; without pieces if the caller already has it."""

    etag: str
    pieces: Sequence[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers one request with a table, a grid or a stream of bars."""

    request: Request
    cursors: "CursorsOfProcess"
    shared: "OwnersSharing[Pieces]"
    tables: LazyMarketTables

    async def give(self, query: Query, find: Find) -> Response:
        """Answer with the table that `find` returns, in the format that the caller prefers.

        Raises:
            NotAcceptable: the caller accepts none of the formats.
            BadCursor: Kaboom did not issue the cursor for this list.

        """
        form = choose_format(self.request.headers.get("accept"))
        scope = self._scope(query)
        place = await self._place(query, scope)
        known = self.request.headers.get("if-none-match", "")

        async def build() -> Pieces:
            table = await find(await self.tables.get(), place)
            cursor = None
            if table.next_place:
                cursor = (await self.cursors.signer()).encode_place(table.next_place, scope)
            # In a thread: about 0.5 µs a row, for up to 100,000 rows, would block the event loop.
            encoded = await asyncio.to_thread(_encode, table, form, cursor, known)
            return self._respond(table, form, encoded, cursor)

        return await self._share((form, known), build)

    async def give_grid(self, find: FindGrid) -> Response:
        """Answer with the bytes of a grid, compressed if the caller accepts gzip."""
        headers = self.request.headers
        is_packed = accepts_gzip(headers.get("accept-encoding", ""))
        known = headers.get("if-none-match", "")

        async def build() -> Pieces:
            grid = await find(await self.tables.get())
            encoded = await asyncio.to_thread(_pack, grid, known, is_packed=is_packed)
            answered = {"ETag": encoded.etag, "Vary": "Accept-Encoding", "Kaboom-Provider": grid.about["provider"]}
            if not encoded.pieces:
                return Pieces((), status.HTTP_304_NOT_MODIFIED, headers=answered)
            answered |= {"Content-Encoding": "gzip"} if is_packed else {}
            return Pieces(encoded.pieces, headers={**answered, "Content-Type": GRID_TYPE})

        return await self._share((is_packed, known), build)

    async def stream(self, query: ManyBarsQuery) -> Response:
        """Stream bars of many symbols while they are read; the first part is read before the answer begins.

        Raises:
            NotAcceptable: the caller accepts none of the formats.
            InvalidRequest: the query is invalid.
            NotFound: the market is FILE, which has no list of symbols.

        """
        from kaboom.market_data.many import find_many  # noqa: PLC0415  polars, loaded with the tables

        form = choose_format(self.request.headers.get("accept"), _STREAMED)
        tables = await self.tables.get()
        found = await find_many(tables.bars, tables.symbols_dir, query)
        headers = {"Vary": "Accept"} | _name_headers(found.about, found.about)
        if etag := found.tag(form):
            headers["ETag"] = etag
            if has_tag(self.request.headers.get("if-none-match", ""), etag):
                return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
        headers["Content-Disposition"] = f'attachment; filename="{found.stem}.{form}"'
        pieces = found.pieces(form)
        return StreamingResponse(_begin(await anext(pieces), pieces), media_type=form.media_type, headers=headers)

    async def _share(self, how: tuple[object, ...], build: Callable[[], Awaitable[Pieces]]) -> Pieces:
        question = (self.request.scope["path"], self.request.scope["query_string"], *how)
        found = await self.shared.ask(question, build)
        # Each caller gets its own response, because middleware adds headers to it.
        return Pieces(found.pieces, found.status_code, headers=found.headers)

    def _scope(self, query: Query) -> list[object]:
        """Return what identifies this list; the cursor of another list is rejected, but `limit` may change."""
        asked = query.model_dump(mode="json", exclude={"cursor", "limit"})
        return [self.shared.owner, self.request.scope["path"], *sorted(asked.items())]

    async def _place(self, query: Query, scope: list[object]) -> list[Any] | None:
        cursor = getattr(query, "cursor", None)
        return (await self.cursors.signer()).decode_place(cursor, scope, query.place_shape) if cursor else None

    def _respond(self, table: Table, form: Format, encoded: _Encoded, cursor: str | None) -> Pieces:
        named = _name_headers(table.about, ("provider", "action_set", "known_at"))
        headers = {"ETag": encoded.etag, "Vary": "Accept"} | named
        link_next(self.request, headers, cursor)
        if not encoded.pieces:
            return Pieces((), status.HTTP_304_NOT_MODIFIED, headers=headers)
        headers["Content-Type"] = form.media_type
        if form is not Format.JSON:
            headers["Content-Disposition"] = f'attachment; filename="{table.stem}.{form}"'
        return Pieces(encoded.pieces, headers=headers)


async def _answering(
    request: Request, cursors: Cursors, shared: Shared, tables: Annotated[LazyMarketTables, service(Lazy)]
) -> Answering:
    # A question begins with its path, so that only requests of these routes share these answers.
    ours = cast("OwnersSharing[Pieces]", shared)
    return Answering(request, cursors, ours, tables)


Answers = Annotated[Answering, Depends(_answering)]


def _name_headers(about: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    return {f"Kaboom-{name.replace('_', '-').title()}": about[name] for name in names if name in about}


async def _begin(
    first: bytes | memoryview, rest: AsyncIterator[bytes | memoryview]
) -> AsyncIterator[bytes | memoryview]:
    yield first
    async for piece in rest:
        yield piece


def _encode(table: Table, form: Format, cursor: str | None, known: str) -> _Encoded:
    """Encode a table; its ETag comes from the rows, so a table that the caller already has is not encoded."""
    from kaboom.bars.export.encode import digest_table, encode_table, label_rows  # noqa: PLC0415  polars, loaded by now

    said = orjson.dumps([table.about, form, cursor])
    etag = f'"{hashlib.sha256(digest_table(table.rows) + said).hexdigest()[:32]}"'
    if has_tag(known, etag):
        return _Encoded(etag, ())
    if form is not Format.JSON:
        labels = {name: table.about[name] for name in table.labels}
        return _Encoded(etag, encode_table(label_rows(table.rows, labels), form))
    head, tail = orjson.dumps(table.about)[:-1] + b',"items":', b',"next_cursor":%b}' % orjson.dumps(cursor)
    return _Encoded(etag, [head, *encode_table(table.rows, form), tail])


def _pack(grid: Grid, known: str, *, is_packed: bool) -> _Encoded:
    plain = b"%b\n%b" % (orjson.dumps(grid.about), grid.cells)
    etag = f'"{hashlib.sha256(plain).hexdigest()[:32]}{"-gzip" if is_packed else ""}"'
    if has_tag(known, etag):
        return _Encoded(etag, ())
    return _Encoded(etag, [gzip.compress(plain, mtime=0) if is_packed else plain])


def choose_format(accept: str | None, offered: Sequence[Format] = tuple(Format)) -> Format:
    """Return the format that an Accept header prefers; of equal ones the first in `offered`.

    Raises:
        NotAcceptable: the header accepts none of the formats.

    """
    ranges = [_parse(part) for part in (accept or "*/*").lower().split(",")[:_MOST_PARTS]]
    best = max(offered, key=lambda form: _quality(form, ranges))
    if _quality(best, ranges) <= 0:
        names = ", ".join(form.media_type.partition(";")[0] for form in offered)
        raise NotAcceptable(f"Accept was {(accept or '')[:80]!r}, expected one of {names}")
    return best


def _quality(form: Format, ranges: list[tuple[str, float]]) -> float:
    """Return the quality that the most specific matching range gives a format; 0 if none matches."""
    major = form.media_type.partition("/")[0]
    for names in (_NAMES[form], {f"{major}/*"}, {"*/*"}):
        said = [weight for name, weight in ranges if name in names]
        if said:
            return max(said)
    return 0.0


def _parse(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    weight = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
    try:
        return name, min(max(float(weight), 0.0), 1.0)
    except ValueError:
        return name, 0.0
