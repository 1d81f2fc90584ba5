"""Connections to PostgreSQL with a statement timeout, also behind a pooler such as PgBouncer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import Buffer, PQGen
from psycopg.generators import send
from psycopg.pq import TransactionStatus
from psycopg.types.datetime import TimestamptzLoader

#: The server ends a statement after this long.
STATEMENT_MS = 5000
#: The connection is closed after this long: the server hangs, or a pooler has no free server.
ANSWER_S = 7.0
#: Messages of PgBouncer and Amazon's RDS Proxy that refuse options.
_REFUSALS = ("startup parameter", "command-line options")
_OPTIONS = f"-c statement_timeout={STATEMENT_MS} -c timezone=UTC"


class PostgresConnector:
    """Opens connections with a statement timeout.

    A server takes the timeout as a connection option. A pooler that shares servers between clients refuses the option
    (PgBouncer) or ignores it; then each statement sets the timeout.
    """

    def __init__(self) -> None:
        self._takes_options: bool | None = None

    async def __call__(
        self, conninfo: str = "", *, options: str = "", **parameters: Any
    ) -> psycopg.AsyncConnection[Any]:
        """Return a connection to a server or a pooler."""
        if self._takes_options is not False:
            connection = await self._connect_with_options(conninfo, f"{options} {_OPTIONS}".lstrip(), parameters)
            if connection is not None:
                return connection
        parameters |= {"options": options} if options else {}
        pooled = await BoundedConnection.connect(conninfo, **parameters, cursor_factory=TimeoutCursor)
        # Behind a pooler the session's time zone may not be UTC.
        pooled.adapters.register_loader("timestamptz", _UtcLoader)
        return pooled

    async def _connect_with_options(
        self, conninfo: str, options: str, parameters: dict[str, Any]
    ) -> psycopg.AsyncConnection[Any] | None:
        """Return a connection that took the options; None if a pooler is in between."""
        try:
            connection = await BoundedConnection.connect(conninfo, **parameters, options=options)
        except psycopg.OperationalError as e:
            if not any(words in str(e) for words in _REFUSALS):
                raise
            self._takes_options = False
            return None
        if self._takes_options is None:
            try:
                self._takes_options = await _has_timeout(connection)
            finally:
                if not self._takes_options:
                    await connection.close()
        return connection if self._takes_options else None


class BoundedConnection(psycopg.AsyncConnection[Any]):
    """A connection that is closed if an answer does not come in time, or its caller is cancelled.

    psycopg would cancel the statement on the server and wait for its answer, 5 s each.
    """

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109  psycopg's signature
        """Wait for an answer."""
        try:
            return await psycopg.waiting.wait_async(gen, self.pgconn.socket, interval, timeout=timeout or ANSWER_S)
        except errors._WaitTimeout:  # noqa: SLF001  raised by the public function above
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise errors.OperationalError(f"no answer came within {ANSWER_S:g} s") from None
        except BaseException:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class TimeoutCursor(psycopg.AsyncCursor[Any]):
    """A cursor that sets the statement timeout for each transaction, without another round trip."""

    async def execute(self, query: Any, params: Any = None, **options: Any) -> "TimeoutCursor":
        """Run a statement that the server ends after STATEMENT_MS."""
        if self.connection.autocommit:
            async with _open_pipeline(self.connection):
                await self._set_timeout()
                return await super().execute(query, params, **options)
        if self.connection.info.transaction_status is TransactionStatus.IDLE:
            # In one pipeline with BEGIN but not with the statement: after a pipeline PostgreSQL does not apply the idle
            # timeout, by which a frozen firing of a schedule loses its lock.
            async with _open_pipeline(self.connection):
                await self._set_timeout()
        return await super().execute(query, params, **options)

    async def _set_timeout(self) -> None:
        # Not `SET LOCAL`, which logs a warning outside of a transaction.
        cursor = psycopg.AsyncCursor(self.connection)
        await cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(STATEMENT_MS)])


class PoolerPipeline(psycopg.AsyncPipeline):
    """A pipeline that ends with Sync alone; psycopg's own ends with Sync and Flush.

    If the answer overtakes Flush, the pooler gives the idle client a server for Flush, and the client keeps that server
    until its next statement.
    """

    def _exit_gen(self) -> PQGen[None]:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from send(self.pgconn)
            yield from self._fetch_gen(flush=False)


@asynccontextmanager
async def _open_pipeline(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    async with connection.pipeline() as pipeline:
        pipeline.__class__ = PoolerPipeline
        yield


class _UtcLoader(TimestamptzLoader):
    def load(self, data: Buffer) -> datetime:
        return super().load(data).astimezone(UTC)


async def _has_timeout(connection: psycopg.AsyncConnection[Any]) -> bool:
    row = await (await connection.execute("SELECT current_setting('statement_timeout')::interval")).fetchone()
    await connection.rollback()
    return row is not None and row[0].total_seconds() * 1000 == STATEMENT_MS
