"""The database whose transactions the stores of all features share: PostgreSQL, or the memory of this process."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kaboom.drivers.postgres.engine import AsyncEngine


class Database:
    """A database, and the stores that this process has opened in it; without an engine they keep their data in memory.

    A feature opens its store with a function of its own, such as `database.open(open_accounts)`.
    """

    def __init__(self, engine: "AsyncEngine | None" = None) -> None:
        self.engine = engine
        self._stores: dict[Callable[..., Any], Any] = {}

    def open[S](self, build: Callable[["Database"], S]) -> S:
        """Return the store that a function opens; it is called once, so that all callers share the store."""
        if build not in self._stores:
            self._stores[build] = build(self)
        found: S = self._stores[build]
        return found

    async def close(self) -> None:
        """Release the connections."""
        if self.engine is not None:
            await self.engine.dispose()


def open_database(url: str | None, *, name: str, pool_size: int) -> Database:
    """Return the PostgreSQL database of a URL, with at most `pool_size` connections; without a URL, one in memory.

    Raises:
        ConfigurationError: the URL is not that of a PostgreSQL database.

    """
    if url is None:
        return Database()
    # SQLAlchemy and psycopg take 30 MB of memory, and a database in memory needs neither.
    from kaboom.drivers.postgres.engine import connect_postgres  # noqa: PLC0415

    return Database(connect_postgres(url, application_name=name, pool_size=pool_size))


def name_taken(what: str, name: str) -> str:
    """Return the message for a name that another one has."""
    return f"a {what} named {name!r} exists already: choose another name"


def too_many(what: str, most: int) -> str:
    """Return the message for an owner who has reached a limit; `what` is in the plural."""
    return f"there are {most} {what} already, which is the limit"
