"""A small write to the ledger, of which nothing is left."""

from sqlalchemy import text

from batch.kit.postgres import AsyncEngine, postgres_errors

_SCHEMA = text("SELECT 1 FROM jobs LIMIT 1")
#: A record of 8 KiB in the write-ahead log, and a commit that waits for the disk; no table has it.
_LOG = text("SELECT pg_logical_emit_message(true, 'kaboom', repeat('.', 8192))")
#: More than fits in this little memory is sorted in a file: a disk without room for new tables has none for it either.
_LITTLE_MEMORY = text("SET LOCAL work_mem = '64kB'")
_SORT = text(
    "SELECT count(*) FROM"
    " (SELECT repeat(md5(n::text), 8) AS x FROM generate_series(1, 1000) AS n ORDER BY x OFFSET 0) AS sorted"
)


async def try_write(engine: AsyncEngine) -> None:
    """Look whether the schema is there, and whether the disk takes a write.

    Raises:
        StoreError: the ledger does not answer, has no schema, or its disk is full or only read.

    """
    with postgres_errors():
        async with engine.begin() as connection:
            for statement in (_SCHEMA, _LITTLE_MEMORY, _SORT, _LOG):
                await connection.execute(statement)
