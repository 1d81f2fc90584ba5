"""The home of the PostgreSQL driver: engines with bounded waits, and its errors translated."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from math import inf
from time import monotonic
from typing import Any

import orjson
import psycopg
from psycopg import errors
from psycopg.abc import Buffer, PQGen
from psycopg.generators import send
from psycopg.pq import TransactionStatus
from psycopg.types.datetime import TimestamptzLoader
from sqlalchemy import Column, Executable, MetaData, Row, Text, event, make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kaboom.drivers.postgres.messages import describe_outage, describe_refusal
from kaboom.errors import ConfigurationError, Conflict, StoreError

#: PostgreSQL refused the statement; a retry would get the same answer.
_REFUSALS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
#: A connection used within this time is not pinged; otherwise a busy process would need twice the round trips.
_FRESH_S = 1.0

#: A name of SQLAlchemy that other modules import from here.
__all__ = ["AsyncEngine"]
#: That of texts on connections; the role, the server or `PGCLIENTENCODING` may have set another.
ENCODING = "utf8"
#: The server ends a statement after this long.
STATEMENT_MS = 5000
#: The connection is closed after this long: the server hangs, or a pooler has no free server.
ANSWER_S = 7.0
#: Messages of PgBouncer and Amazon's RDS Proxy that refuse options.
_POOLER_REFUSALS = ("startup parameter", "command-line options")
_OPTIONS = f"-c statement_timeout={STATEMENT_MS} -c timezone=UTC"

#: The tables of all features.
METADATA = MetaData()


def texts(*names: str) -> list[Column[str]]:
    """Return text columns that are not null."""
    return [Column(name, Text, nullable=False) for name in names]


def normalize_database_url(url: str) -> str:
    """Return a `postgres://` or `postgresql://` URL in SQLAlchemy's form, with the psycopg 3 driver.

    Raises:
        ConfigurationError: the URL is not of PostgreSQL.

    """
    try:
        parsed = make_url(url)
    except SQLAlchemyError as e:
        raise ConfigurationError("DATABASE_URL was not a URL, expected postgresql://user:password@host/db") from e
    if parsed.drivername.split("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigurationError(f"DATABASE_URL was for {parsed.drivername}, expected postgresql://…")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def connect_postgres(url: str, *, application_name: str, pool_size: int = 8) -> AsyncEngine:
    """Return an engine of at most `pool_size` connections, half of which stay open; `url` may name a pooler.

    A caller waits at most about 5 s for a connection or a statement.
    """
    engine = create_async_engine(
        normalize_database_url(url),
        pool_size=(pool_size + 1) // 2,
        max_overflow=pool_size // 2,
        pool_timeout=3,
        json_deserializer=orjson.loads,
        # As strict as for Redis: a key that is not text is an error.
        json_serializer=lambda value: orjson.dumps(value).decode(),
        connect_args={
            "connect_timeout": 3,
            "application_name": application_name,
            "client_encoding": ENCODING,
            # No prepared statements: poolers move clients between servers.
            "prepare_threshold": None,
            "async_creator_fn": PostgresConnector(),
        },
    )
    _ping_idle(engine)
    _close_late_returns(engine)
    return engine


def _ping_idle(engine: AsyncEngine) -> None:
    """Ping a connection that was idle, and replace a dead one; `pool_pre_ping` would ping each time.

    A new connection is not pinged: behind a pooler whose server is down, each ping would fail.
    """
    dialect = engine.sync_engine.dialect

    @event.listens_for(engine.sync_engine, "checkout")
    def ping(connection: Any, record: Any, _proxy: Any) -> None:
        if monotonic() - record.info.get("used_at", inf) < _FRESH_S:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as e:
            raise DisconnectionError("the idle connection had ended") from e

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["used_at"] = monotonic()


def _close_late_returns(engine: AsyncEngine) -> None:
    """After `dispose`, close each connection when it is returned; SQLAlchemy would keep it open."""
    is_disposed = False

    @event.listens_for(engine.sync_engine, "engine_disposed")
    def dispose(_engine: Any) -> None:
        nonlocal is_disposed
        is_disposed = True

    @event.listens_for(engine.sync_engine, "checkin")
    def close(_connection: Any, record: Any) -> None:
        if is_disposed:
            record.invalidate()


@asynccontextmanager
async def _hold(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold a connection, which is returned whenever the body is cancelled."""
    connection = engine.connect()
    try:
        async with connection:
            yield connection
    finally:
        # SQLAlchemy returns it in a task of its own. At the end of a loop, where every task is cancelled, that task may
        # not even have begun.
        if connection.sync_connection is not None and not connection.closed:
            await connection.close()


@asynccontextmanager
async def open_transaction(engine: AsyncEngine, *, conflict: str = "") -> AsyncIterator[AsyncConnection]:
    """Hold a connection for a transaction, which ends with the body.

    Raises:
        Conflict: a constraint was violated, and `conflict` says what that means.
        StoreError: as `postgres_errors`.

    """
    with postgres_errors():
        try:
            async with _hold(engine) as connection, connection.begin():
                yield connection
        except IntegrityError as e:
            if conflict:
                raise Conflict(conflict) from e
            raise


@asynccontextmanager
async def open_connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold a connection; changes that the body does not commit are rolled back.

    Raises:
        StoreError: as `postgres_errors`.

    """
    with postgres_errors():
        async with _hold(engine) as connection:
            yield connection


class Statements:
    """Executes single statements. Each is a transaction anyway; without BEGIN and COMMIT it saves two round trips.

    All methods raise StoreError, as `postgres_errors`.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def hold(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Hold a connection that commits each statement."""
        return open_connection(self._engine)

    async def fetch(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """Execute a statement, and return its rows."""
        async with self.hold() as connection:
            return (await connection.execute(statement, values)).all()

    async def execute(self, statement: Executable, values: Mapping[str, Any] | None = None) -> int:
        """Execute a statement, and return how many rows it changed."""
        async with self.hold() as connection:
            return (await connection.execute(statement, values)).rowcount


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Translate the driver's errors to StoreError.

    Retryable while PostgreSQL is unavailable, overloaded, out of disk space or read-only, and after a deadlock; not if
    it refused the statement, for example because a table is missing. A value that cannot be sent raises its own error.
    """
    try:
        yield
    except _REFUSALS as e:
        raise StoreError(describe_refusal(e.orig or e), retryable=False) from e
    except (DBAPIError, PoolTimeoutError, OSError) as e:
        raise StoreError(describe_outage(getattr(e, "orig", None) or e, limit_s=STATEMENT_MS / 1000)) from e
    except StatementError as e:
        raise e.orig or e from e


def is_missing_table(error: DBAPIError) -> bool:
    """Return whether a statement failed because a table does not exist."""
    return isinstance(error.orig, errors.UndefinedTable)


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
            if not any(words in str(e) for words in _POOLER_REFUSALS):
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

    # psycopg gives way to other tasks in these two, after SQLAlchemy has taken the connection and before it holds it.
    # If its caller was cancelled there, nobody returned it.

    async def set_autocommit(self, value: bool) -> None:  # noqa: FBT001  psycopg's signature
        """Set the mode of commits, without a pause."""
        async with self.lock:
            _finish(self._set_autocommit_gen(value))

    async def set_isolation_level(self, value: psycopg.IsolationLevel | None) -> None:
        """Set the isolation level of transactions, without a pause."""
        async with self.lock:
            _finish(self._set_isolation_level_gen(value))


def _finish(gen: PQGen[None]) -> None:
    for _ in gen:
        raise errors.ProgrammingError("a connection was changed within a pipeline")


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
