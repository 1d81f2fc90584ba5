"""Two couriers that look at the same moment do not both send a delivery."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.jobs.postgres.postgres_outbox import _CLAIM
from tests.fixtures.jobs.outboxes import claim, due

pytestmark = pytest.mark.anyio

#: A time of day that is told once the lock is free: who asks has taken its snapshot by then.
LATE_NOW = """
DROP SCHEMA IF EXISTS late CASCADE;
CREATE SCHEMA late;
CREATE FUNCTION late.now() RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock_shared(42);
    PERFORM pg_advisory_unlock_shared(42);
    RETURN pg_catalog.now();
END $$;
"""
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock' AND wait_event = 'advisory'"
)


async def test_a_courier_looks_again_once_it_has_the_row(database_url: str) -> None:
    engine = connect_postgres(database_url, application_name="late-courier")
    ledger = PostgresJobHistory(engine)
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute("TRUNCATE jobs, webhook_deliveries CASCADE")
        holder.execute(LATE_NOW)
        delivery = await due(ledger)
        holder.execute("SELECT pg_advisory_lock(42)")

        async def claim_late() -> list[str]:
            async with engine.begin() as connection:
                await connection.execute(text("SET LOCAL search_path = late, pg_catalog, public"))
                rows = await connection.execute(_CLAIM, {"limit": 10, "per_host": 10, "busy": []})
                return [row.delivery_id for row in rows]

        late = asyncio.create_task(claim_late())
        async with asyncio.timeout(30):
            while holder.execute(WAITING).fetchone() != (1,):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.02)
        assert await claim(ledger) == [delivery.delivery_id]
        holder.execute("SELECT pg_advisory_unlock(42)")
        assert await late == []
        holder.execute("DROP SCHEMA late CASCADE")
    await engine.dispose()
