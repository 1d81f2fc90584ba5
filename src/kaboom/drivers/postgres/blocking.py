"""Connections to PostgreSQL for threads: bounded waits, binary results, and one transaction at a time.

A process has a connection for each thread that is inside a transaction, and keeps one open; a child of a fork opens its
own. Behind a pooler each transaction may run on another server, so nothing is prepared and no setting outlives it.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from kaboom.drivers.postgres.engine import ENCODING, normalize_database_url
from kaboom.drivers.postgres.messages import describe_briefly, describe_outage, describe_refusal
from kaboom.errors import StoreError

#: The server ends a statement after this long; the connection is closed a little later, if the server hangs.
STATEMENT_S = 60
_ANSWER_S = STATEMENT_S + 5.0
#: A connection that was idle for longer is tried before it is used.
_FRESH_S = 1.0
_KEPT = 1
_SETTINGS = f"SET LOCAL statement_timeout = '{STATEMENT_S}s'"
_READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SETTINGS}"
_WRITE = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_SETTINGS}"
#: Refusals: the same statement would be refused again.
_REFUSALS = (errors.DataError, errors.IntegrityError, errors.NotSupportedError, errors.ProgrammingError)
#: The server cannot read its own files: nor will it later.
_DAMAGE = (errors.DataCorrupted, errors.IndexCorrupted)


class _Connection(psycopg.Connection[Any]):
    """A connection that is closed if an answer does not come in time."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer."""
        try:
            return psycopg.waiting.wait(gen, self.pgconn.socket, interval, timeout=timeout or _ANSWER_S)
        except errors._WaitTimeout:  # noqa: SLF001  raised by the public function above
            self.pgconn.finish()
            raise errors.OperationalError(f"no answer came within {timeout or _ANSWER_S:g} s") from None


class BlockingDatabase:
    """A PostgreSQL database for threads; `url` may name a pooler. Nothing is opened before the first transaction.

    Attributes:
        place: the server and the database, for people.

    """

    def __init__(self, url: str, *, application_name: str) -> None:
        self._url = normalize_database_url(url).replace("+psycopg", "", 1)
        known = conninfo_to_dict(self._url)
        self.place = f"{known.get('host', 'localhost')}/{known.get('dbname', '')}"
        self._application_name = application_name
        self._guard = threading.Lock()
        self._idle: list[tuple[float, _Connection]] = []
        self._pid = os.getpid()
        self._is_closed = False

    @contextmanager
    def reading(self) -> Iterator["Statements"]:
        """Hold one state of the database, which nobody changes meanwhile; raises StoreError, as `translated`."""
        yield from self._transaction(_READ)

    @contextmanager
    def writing(self, first: LiteralString = "") -> Iterator["Statements"]:
        """Hold a transaction that begins with a statement, and commits at the end; raises StoreError."""
        yield from self._transaction(f"{_WRITE}; {first}" if first else _WRITE)

    def rows(self, statement: LiteralString, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute a SELECT outside any transaction, in one round trip; raises StoreError, as `translated`."""
        with translated():
            connection = self._take()
            try:
                return Statements(connection).rows(statement, values)
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close the idle connections; others are closed when they are given back."""
        with self._guard:
            self._is_closed, idle, self._idle = True, self._idle, []
        for _, connection in idle:
            connection.close()

    def _transaction(self, begin: LiteralString) -> Iterator["Statements"]:
        with translated():
            connection = self._take()
            try:
                # One round trip.
                connection.execute(begin)
                yield Statements(connection)
                connection.execute("COMMIT")
            except BaseException:
                _undo(connection)
                raise
            finally:
                self._give_back(connection)

    def _take(self) -> _Connection:
        with self._guard:
            if self._pid != os.getpid():
                # The sockets belong to the parent: they are neither used nor closed here.
                _inherited.append(self._idle)
                self._idle, self._pid = [], os.getpid()
            idle = self._idle.pop() if self._idle else None
        if idle is not None and (monotonic() - idle[0] < _FRESH_S or _answers(idle[1])):
            return idle[1]
        return _Connection.connect(
            self._url,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=3,
            client_encoding=ENCODING,
            application_name=self._application_name,
        )

    def _give_back(self, connection: _Connection) -> None:
        with self._guard:
            if not connection.closed and not self._is_closed and len(self._idle) < _KEPT:
                self._idle.append((monotonic(), connection))
                return
        connection.close()


_inherited: list[object] = []


class Statements:
    """The statements of one transaction; results are binary."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self, statement: LiteralString, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement, and return its rows."""
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(statement, values).fetchall()

    def csv(self, statement: LiteralString, values: Sequence[Any] = ()) -> bytes:
        """Return the rows of a SELECT as CSV, which takes a third of the time of tuples if they are many."""
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT csv)", values) as copy,
        ):
            return b"".join(copy)

    def run_all(self, statements: Iterable[tuple[LiteralString, Sequence[Any]]]) -> None:
        """Execute statements one after the other, in one round trip."""
        with self._connection.pipeline(), self._connection.cursor(binary=True) as cursor:
            for statement, values in statements:
                cursor.execute(statement, values)

    def run(self, statement: LiteralString | sql.Composed, values: Sequence[Any] = ()) -> int:
        """Execute a statement, and return how many rows it changed."""
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(statement, values).rowcount


@contextmanager
def translated() -> Iterator[None]:
    """Translate the driver's errors to StoreError.

    Retryable while PostgreSQL is unavailable, overloaded, out of disk space or read-only, and after a deadlock; not if
    it refused the statement, for example because a table is missing, or if its files are damaged.
    """
    try:
        yield
    except _REFUSALS as e:
        raise StoreError(describe_refusal(e), retryable=False) from e
    except _DAMAGE as e:
        raise StoreError(
            f"files of PostgreSQL are damaged: {describe_briefly(e)}; restore it from a backup, or use a replica",
            retryable=False,
        ) from e
    except (psycopg.Error, OSError) as e:
        raise StoreError(describe_outage(e, limit_s=STATEMENT_S)) from e


def _undo(connection: _Connection) -> None:
    """Roll back, or close the connection if that fails."""
    try:
        if not connection.closed:
            connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()


def _answers(connection: _Connection) -> bool:
    try:
        connection.execute("")
    except psycopg.Error:
        connection.close()
        return False
    return True
