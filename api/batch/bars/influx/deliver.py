"""Delivering rows as lines: so many a request, halved where a request is too large, and accounted for one by one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import polars as pl
import structlog
from isal import isal_zlib

from batch.bars.influx.answers import parse_refusal
from batch.bars.influx.reads import InfluxReads
from batch.bars.influx.refused import RefusedLines
from batch.bars.influx.target import Precision
from batch.bars.influx.wire import SOME_REFUSED, TOO_LARGE, InfluxWire
from batch.kit.http.client import Reply

_log = structlog.get_logger(__name__)
_LINE = "line_number"


@dataclass(frozen=True, slots=True)
class Cargo:
    """What kind of rows are delivered.

    Attributes:
        bucket: where to.
        precision: the unit of the lines' times.
        encode: a line for each row.
        find_missing: of some rows those that the server does not hold with just these values.

    """

    bucket: str
    precision: Precision
    encode: Callable[[pl.DataFrame], pl.Series]
    find_missing: Callable[[pl.DataFrame], Awaitable[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The way to a server and back: how many lines go in one request, and where refused ones are kept."""

    wire: InfluxWire
    reads: InfluxReads
    refused_lines: RefusedLines
    points: int

    async def deliver(self, cargo: Cargo, rows: pl.DataFrame) -> pl.DataFrame:
        """Have the server take rows; return those that it refused, with one more column: `refusal`.

        Raises:
            StoreError: not everything was answered for; delivering all of it again is safe.

        """
        refused, points = list[pl.DataFrame](), self.points
        waiting = deque(rows.iter_slices(points))
        while waiting:
            part = waiting.popleft()
            if part.height > points:
                waiting.extendleft(reversed(list(part.iter_slices(points))))
                continue
            sent = await self._send(cargo, part)
            points = min(points, sent.points)
            waiting.extendleft(reversed(sent.again))
            if sent.refused is not None:
                refused.append(sent.refused)
        return pl.concat(refused) if refused else _with_refusal(rows.clear(), [])

    async def _send(self, cargo: Cargo, rows: pl.DataFrame) -> "_Sent":
        body = await asyncio.to_thread(_pack, cargo, rows)
        reply = await self.wire.post_lines(cargo.bucket, body, cargo.precision)
        if reply.status in SOME_REFUSED:
            return await self._account(cargo, rows, reply)
        if reply.status != TOO_LARGE:
            return _Sent(points=self.points)
        if rows.height == 1:
            refused = await self._refuse(cargo, rows, ["413: the server takes not even this one line"])
            return _Sent(points=1, refused=refused)
        _log.info("store_request_halved", bucket=cargo.bucket, lines=rows.height)
        return _Sent(points=rows.height // 2, again=[rows])

    async def _account(self, cargo: Cargo, rows: pl.DataFrame, reply: Reply) -> "_Sent":
        """Find out which rows an answer of "some were refused" means: only what can be read back was taken.

        v1 and v2 say how many and not which; v3 names a hundred at most, and may have turned away the rest of
        the request for them: what it did not name is sent once more.
        """
        refusal = parse_refusal(self.wire.target.redact(reply.body.decode(errors="replace")).encode())
        numbered = rows.with_columns(pl.int_range(1, rows.height + 1).alias(_LINE))
        missing = await cargo.find_missing(numbered)
        named = missing.filter(pl.col(_LINE).is_in(list(refusal.by_line)))
        if not named.height:
            refused = await self._refuse(cargo, missing.drop(_LINE), [refusal.reason] * missing.height)
            return _Sent(points=self.points, refused=refused)
        reasons = [refusal.by_line[n] or refusal.reason for n in named[_LINE].to_list()]
        refused = await self._refuse(cargo, named.drop(_LINE), reasons)
        others = missing.join(named.select(_LINE), on=_LINE, how="anti", maintain_order="left").drop(_LINE)
        return _Sent(points=self.points, refused=refused, again=[others] if others.height else [])

    async def _refuse(self, cargo: Cargo, rows: pl.DataFrame, reasons: list[str]) -> pl.DataFrame:
        if rows.height:
            lines = cargo.encode(rows).to_list()
            pairs = list(zip(lines, reasons, strict=True))
            kept = await asyncio.to_thread(self.refused_lines.keep, cargo.bucket, pairs)
            path = str(self.refused_lines.path)
            _log.warning(
                "lines_refused", bucket=cargo.bucket, lines=len(lines), reason=reasons[0], kept=kept, path=path
            )
        return _with_refusal(rows, reasons)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of a request: the most lines that a request may have, refused rows, and rows to send again."""

    points: int
    refused: pl.DataFrame | None = None
    again: Sequence[pl.DataFrame] = ()


def _pack(cargo: Cargo, rows: pl.DataFrame) -> bytes:
    """Return rows as gzipped lines (wbits 31); ISA-L packs as well as zlib does, in a quarter of the time."""
    lines: str = cargo.encode(rows).str.join("\n").item()
    packed: bytes = isal_zlib.compress(lines.encode(), 1, 31)
    return packed


def _with_refusal(rows: pl.DataFrame, reasons: list[str]) -> pl.DataFrame:
    return rows.with_columns(pl.Series("refusal", reasons, pl.String))
