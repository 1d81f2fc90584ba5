"""Requests to InfluxDB: with pauses when it asks for one, and failures as `StoreError`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from kaboom.bars.influx.responses import QueryRefused, ResultSeries, error_text, parse_results
from kaboom.bars.influx.target import InfluxApi, InfluxTarget, Precision
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.http.client import HttpClient
from kaboom.drivers.http.reply import Reply
from kaboom.drivers.retry import backoff_s, parse_retry_after
from kaboom.errors import StoreError

_log = structlog.get_logger(__name__)

_ASKS_FOR_A_PAUSE = frozenset({429, 503})
#: The most seconds that one request waits in all; below the 120 s after which a chunk without progress is cut off.
_PATIENCE_S = 90.0
#: The first pause if the server names none, and the longest; it doubles each time.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
#: When a chunk that gave up waiting may ask again: at most a day later, even if the server asks for a longer pause.
_LEAST_LATER_S, _LONGEST_LATER_S = 30.0, 86_400.0
#: Some or all lines were refused, and the body says why. Cloud Serverless has used 201 for this too.
SOME_REFUSED = frozenset({201, 400, 422})
TOO_LARGE = 413
#: The hint for a 1.x server.
SET_V1 = "set KABOOM_INFLUXDB_API=v1"


@dataclass(frozen=True, slots=True)
class InfluxWire:
    """The connection to one server."""

    target: InfluxTarget
    http: HttpClient
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Clock = utc_now

    async def post_lines(self, bucket: str, body: bytes, precision: Precision) -> Reply:
        """Post gzipped lines; return a reply of 204, `TOO_LARGE` or one of `SOME_REFUSED`.

        Raises:
            StoreError: there was another reply or none; the server may have stored the lines nevertheless.

        """
        path, params = self.target.write_endpoint(bucket, precision)
        headers = {
            **self.target.headers(),
            "Content-Encoding": "gzip",
            "Content-Type": "text/plain; charset=utf-8",
        }
        reply = await self._paced(lambda: self.http.post(path, body, params=params, headers=headers))
        # Not every 2xx is a success: a 200 of a proxy means that nothing was stored.
        if reply.status in {204, TOO_LARGE, *SOME_REFUSED}:
            return reply
        raise self.error(reply, bucket)

    async def query(self, bucket: str, *statements: str) -> list[list[ResultSeries]]:
        """Return the series of each statement of InfluxQL, times in microseconds.

        Raises:
            StoreError: the server refused, cut the result off, or did not answer.

        """
        path, params = self.target.query_endpoint(bucket, "; ".join(statements))
        headers = {**self.target.headers(), "Accept": "application/json"}
        reply = await self._paced(lambda: self.http.get(path, params=params, headers=headers))
        if reply.status != 200:
            raise self.error(reply, bucket)
        try:
            return await asyncio.to_thread(parse_results, reply.body, len(statements))
        except QueryRefused as e:
            raise self.unreadable(bucket, str(e)) from e

    def unreadable(self, bucket: str, why: str) -> StoreError:
        """Return the error of a reply that cannot be read, or is incomplete."""
        return StoreError(
            f"InfluxDB at {self.target.url}, bucket {bucket!r}: {self.target.redact(why)}", retryable=False
        )

    async def _paced(self, ask: Callable[[], Awaitable[Reply]]) -> Reply:
        waited_s, attempt = 0.0, 0
        while (reply := await ask()).status in _ASKS_FOR_A_PAUSE:
            attempt += 1
            pause_s = parse_retry_after(reply.headers, self.clock())
            if pause_s is None:
                pause_s = backoff_s(attempt - 1, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
            if waited_s + pause_s > _PATIENCE_S:
                text = f"InfluxDB at {self.target.url} answered {reply.status} and asked for {pause_s:.0f} s"
                later_s = min(max(pause_s, _LEAST_LATER_S), _LONGEST_LATER_S)
                raise StoreError(f"{text} after {waited_s:.0f} s of waiting", retry_after_s=later_s)
            _log.info("store_paused", status=reply.status, seconds=round(pause_s, 2), attempt=attempt)
            await self.sleep(pause_s)
            waited_s += pause_s
        return reply

    def error(self, reply: Reply, bucket: str) -> StoreError:
        """Return the error for a reply, or for a missing one."""
        server = f"InfluxDB at {self.target.url}"
        if reply.status is None:
            return StoreError(f"{server}: {reply.failure}")
        words = self.target.redact(error_text(reply.body))
        because = f": {words}" if words else ""
        match reply.status:
            case 401 | 403:
                return StoreError(f"{server} refused the token with {reply.status}{because}", retryable=False)
            case 404 if self._is_older(reply):
                text = f"{server} is version 1 and does not know the {self.target.api} API"
                return StoreError(f"{text}: {SET_V1}", retryable=False)
            case 404:
                return StoreError(f"{server} answered 404 for bucket {bucket!r}{because}", retryable=False)
            case status:
                return StoreError(f"{server} answered {status}, bucket {bucket!r}{because}", retryable=status >= 500)

    def _is_older(self, reply: Reply) -> bool:
        """Return whether a 1.x server was used as a newer one; every reply of InfluxDB has its version."""
        version = reply.headers.get("X-Influxdb-Version", "")
        return self.target.api is not InfluxApi.V1 and version.removeprefix("v").startswith("1.")
