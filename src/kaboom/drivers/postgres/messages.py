"""What PostgreSQL's errors mean, in one line for a reader."""

from psycopg import errors

#: The schema is older than this release, or is not there.
_MISSING = (errors.InvalidSchemaName, errors.UndefinedColumn, errors.UndefinedTable)
_NO_SPACE = "No space left on device"
_NO_CONNECTION = (
    "too many clients already",
    "too many connections for",
    "remaining connection slots are reserved",
    "no more connections allowed",
    "query_wait_timeout",
    "QueuePool limit",
)


def describe_refusal(cause: BaseException) -> str:
    """Return the message about a statement that the server refused."""
    if isinstance(cause, _MISSING):
        return f"the schema is missing or too old: run `kaboom migrate`. PostgreSQL says {describe_briefly(cause)}"
    return f"PostgreSQL refused the statement: {describe_briefly(cause)}"


def describe_outage(cause: BaseException, *, limit_s: float) -> str:
    """Return the message about a server that took no statement: its disk is full, it has no free connection, or else.

    An error of a new connection has no code, so the words of the server, of PgBouncer and of SQLAlchemy's pool are
    searched. `limit_s` is the time that the server gives a statement.
    """
    if isinstance(cause, errors.QueryCanceled):
        return f"PostgreSQL ended the statement, whose limit is {limit_s:g} s: {describe_briefly(cause)}"
    if isinstance(cause, errors.DiskFull) or _NO_SPACE in str(cause):
        return f"PostgreSQL's disk is full: {describe_briefly(cause)}"
    if any(words in str(cause) for words in _NO_CONNECTION):
        return f"no connection to PostgreSQL was free: {describe_briefly(cause)}"
    return f"PostgreSQL did not answer: {describe_briefly(cause)}"


def describe_briefly(cause: BaseException) -> str:
    """Return an error in one line, since a message ends in logs, tables and JSON."""
    return f"{type(cause).__name__}: {' '.join(str(cause).split())}"
