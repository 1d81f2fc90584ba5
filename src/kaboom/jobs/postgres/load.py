"""How full a PostgreSQL server is: the size of the database, and the connections in use."""

from dataclasses import dataclass

from sqlalchemy import text

from kaboom.drivers.postgres.engine import AsyncEngine, Statements

#: Roles without rights of monitoring see these numbers, too. Reserved connections are not for Kaboom.
_LOAD = text(
    """
    SELECT pg_database_size(current_database()) AS size,
        (SELECT sum(numbackends) FROM pg_stat_database)::int AS connections,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most
    """
)


@dataclass(frozen=True, slots=True)
class DatabaseLoad:
    """The bytes of Kaboom's database, and the connections of all databases of its server."""

    size: int
    connections: int
    max_connections: int


async def measure_database(engine: AsyncEngine) -> DatabaseLoad:
    """Return the load of a database and its server.

    Raises:
        StoreError: the server does not answer.

    """
    (row,) = await Statements(engine).fetch(_LOAD)
    return DatabaseLoad(int(row.size), int(row.connections), int(row.most))
