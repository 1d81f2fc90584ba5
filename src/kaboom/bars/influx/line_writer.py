"""Writing rows as lines, in requests of limited size; every row is accounted for, and refused lines are kept."""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl
import structlog
from isal import isal_zlib

from kaboom.bars.influx.reads import InfluxReads
from kaboom.bars.influx.responses import parse_refusal
from kaboom.bars.influx.target import Precision
from kaboom.bars.influx.wire import SOME_REFUSED, TOO_LARGE, InfluxWire
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.http.reply import Reply


@dataclass(frozen=True, slots=True)
class RefusedLines:
    """A file of JSON lines, `{"at", "bucket", "reason", "line"}`, that a process and its forks append to.

    Their symbols are `write_failed`, whether or not the lines can be kept here.
    """

    path: Path
    most_bytes: int = 64 << 20
    clock: Clock = utc_now

    def keep(self, bucket: str, refused: Sequence[tuple[str, str]]) -> int:
        """Append refused lines with their reasons; return how many were kept: all, or 0 if the file or disk is full."""
        at = self.clock()
        text = b"".join(
            orjson.dumps({"at": at, "bucket": bucket, "reason": reason, "line": line}) + b"\n"
            for line, reason in refused
        )
        error: str | None = "the file is full"
        try:
            if self._append(text):
                return len(refused)
        except OSError as e:
            error = e.strerror
        _log.warning("refused_lines_not_kept", path=str(self.path), lines=len(refused), error=error)
        return 0

    def _append(self, text: bytes) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.fstat(file).st_size + len(text) > self.most_bytes:
                return False
            # One write, so that lines of several processes do not mix.
            return os.write(file, text) == len(text)
        finally:
            os.close(file)


_log = structlog.get_logger(__name__)
_LINE = "line_number"
#: v1 answers as soon as one shard rejects its lines; lines of other shards become readable a moment later.
_PAUSES_S = (0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True, slots=True)
class WriteSpec:
    """How rows of one kind are written.

    Attributes:
        bucket: the bucket to write to.
        precision: the unit of the lines' times.
        encode: returns a line for each row.
        read_held: reads the rows of the server, among which the given ones should be.
        key: the columns in which a held row equals a written one.

    """

    bucket: str
    precision: Precision
    encode: Callable[[pl.DataFrame], pl.Series]
    read_held: Callable[[pl.DataFrame], Awaitable[pl.DataFrame]]
    key: Sequence[str]

    async def find_missing(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that the server does not hold with exactly these values."""
        held = await self.read_held(rows)
        return rows.join(held, on=self.key, how="anti", nulls_equal=True, maintain_order="left")


@dataclass(frozen=True, slots=True)
class LineWriter:
    """Writes lines to a server, at most `points` in a request, and keeps the refused ones."""

    wire: InfluxWire
    reads: InfluxReads
    refused_lines: RefusedLines
    points: int

    async def write(self, spec: WriteSpec, rows: pl.DataFrame) -> pl.DataFrame:
        """Write rows; return those that the server refused, with the reason in a column `refusal`.

        Raises:
            StoreError: not all rows were acknowledged; writing all of them again is safe.

        """
        refused, points = list[pl.DataFrame](), self.points
        waiting = deque(rows.iter_slices(points))
        while waiting:
            part = waiting.popleft()
            if part.height > points:
                waiting.extendleft(reversed(list(part.iter_slices(points))))
                continue
            sent = await self._send(spec, part)
            points = min(points, sent.points)
            waiting.extendleft(reversed(sent.again))
            if sent.refused is not None:
                refused.append(sent.refused)
        return pl.concat(refused) if refused else _with_refusal(rows.clear(), [])

    async def _send(self, spec: WriteSpec, rows: pl.DataFrame) -> "_Sent":
        body = await asyncio.to_thread(_pack, spec, rows)
        reply = await self.wire.post_lines(spec.bucket, body, spec.precision)
        if reply.status in SOME_REFUSED:
            return await self._account(spec, rows, reply)
        if reply.status != TOO_LARGE:
            return _Sent(points=self.points)
        if rows.height == 1:
            refused = await self._refuse(spec, rows, ["413: a request with only this line is too large for the server"])
            return _Sent(points=1, refused=refused)
        _log.info("store_request_halved", bucket=spec.bucket, lines=rows.height)
        return _Sent(points=rows.height // 2, again=[rows])

    async def _account(self, spec: WriteSpec, rows: pl.DataFrame, reply: Reply) -> "_Sent":
        """Find the refused rows of a request: those that cannot be read back.

        v1 and v2 report only how many were refused. v3 names at most a hundred, and may have refused the rest of the
        request because of them: rows that it did not name are sent again.
        """
        refusal = parse_refusal(self.wire.target.redact(reply.body.decode(errors="replace")).encode())
        numbered = rows.with_columns(pl.int_range(1, rows.height + 1).alias(_LINE))
        missing = await _find_missing(spec, numbered, dropped=refusal.dropped)
        named = missing.filter(pl.col(_LINE).is_in(list(refusal.by_line)))
        if not named.height:
            refused = await self._refuse(spec, missing.drop(_LINE), [refusal.reason] * missing.height)
            return _Sent(points=self.points, refused=refused)
        reasons = [refusal.by_line[n] or refusal.reason for n in named[_LINE].to_list()]
        refused = await self._refuse(spec, named.drop(_LINE), reasons)
        others = missing.join(named.select(_LINE), on=_LINE, how="anti", maintain_order="left").drop(_LINE)
        return _Sent(points=self.points, refused=refused, again=[others] if others.height else [])

    async def _refuse(self, spec: WriteSpec, rows: pl.DataFrame, reasons: list[str]) -> pl.DataFrame:
        if rows.height:
            lines = spec.encode(rows).to_list()
            pairs = list(zip(lines, reasons, strict=True))
            kept = await asyncio.to_thread(self.refused_lines.keep, spec.bucket, pairs)
            path = str(self.refused_lines.path)
            _log.warning("lines_refused", bucket=spec.bucket, lines=len(lines), reason=reasons[0], kept=kept, path=path)
        return _with_refusal(rows, reasons)


@dataclass(frozen=True, slots=True)
class _Sent:
    """The result of a request: the most lines that the next one may have, refused rows, and rows to send again."""

    points: int
    refused: pl.DataFrame | None = None
    again: Sequence[pl.DataFrame] = ()


async def _find_missing(spec: WriteSpec, rows: pl.DataFrame, *, dropped: int | None) -> pl.DataFrame:
    """Return the rows that cannot be read back, once they are no more than the server reported as dropped."""
    missing = await spec.find_missing(rows)
    for pause_s in _PAUSES_S:
        if dropped is None or missing.height <= dropped:
            break
        await asyncio.sleep(pause_s)
        missing = await spec.find_missing(missing)
    return missing


def _pack(spec: WriteSpec, rows: pl.DataFrame) -> bytes:
    """Return rows as gzipped lines (wbits 31), by ISA-L, in a quarter of zlib's time."""
    lines: str = spec.encode(rows).str.join("\n").item()
    packed: bytes = isal_zlib.compress(lines.encode(), 1, 31)
    return packed


def _with_refusal(rows: pl.DataFrame, reasons: list[str]) -> pl.DataFrame:
    return rows.with_columns(pl.Series("refusal", reasons, pl.String))
