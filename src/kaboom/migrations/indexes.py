"""Build an index of a large table while it is written to."""

from alembic import op
from sqlalchemy import text

_IS_INVALID = text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def create_index(name: str, on: str) -> None:
    """Build an index concurrently, outside of the transaction; `on` is the rest of the statement: `jobs (task)`.

    It must be all that its migration does: what comes before is committed first. An index that an interrupted build
    left is invalid, and is built again. The build blocks nobody, and waits for transactions that began before it.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        connection.exec_driver_sql("SET statement_timeout = 0")
        try:
            if connection.execute(_IS_INVALID, {"name": name}).scalar():
                op.execute(f"DROP INDEX CONCURRENTLY {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}")
        finally:
            connection.exec_driver_sql("RESET statement_timeout")
