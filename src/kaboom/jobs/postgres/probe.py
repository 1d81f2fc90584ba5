"""A small test write to the ledger, which leaves no data."""

from sqlalchemy import text

from kaboom.drivers.postgres.engine import AsyncEngine, open_transaction
from kaboom.errors import StoreError

_SCHEMA = text("SELECT 1 FROM jobs LIMIT 1")
#: Writes 8 KiB to the write-ahead log and to no table; the commit waits for the disk.
_LOG = text("SELECT pg_logical_emit_message(true, 'kaboom', repeat('.', 8192))")
#: So little memory makes PostgreSQL sort in a temporary file, which fails when the disk is full.
_LITTLE_MEMORY = text("SET LOCAL work_mem = '64kB'")
_SORT = text(
    "SELECT count(x) FROM"
    " (SELECT repeat(md5(n::text), 8) AS x FROM generate_series(1, 1000) AS n ORDER BY random() OFFSET 0) AS sorted"
)
_IS_READ_ONLY = text("SELECT current_setting('transaction_read_only') = 'on'")


async def try_write(engine: AsyncEngine) -> None:
    """Check that the schema exists and that the disk accepts a write; costs one commit.

    Raises:
        StoreError: the ledger does not answer, has no schema, or its disk is full or read-only.

    """
    async with open_transaction(engine) as connection:
        for statement in (_SCHEMA, _LITTLE_MEMORY, _SORT, _LOG):
            await connection.execute(statement)
        is_read_only = (await connection.execute(_IS_READ_ONLY)).scalar_one()
    if is_read_only:
        raise StoreError("PostgreSQL takes no write: its transactions are read-only")
