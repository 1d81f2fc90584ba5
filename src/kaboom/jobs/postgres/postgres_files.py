"""The files of jobs in PostgreSQL, compressed, beside the jobs that they belong to."""

import zlib
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kaboom.drivers.postgres.engine import AsyncEngine, Statements, open_transaction
from kaboom.jobs.postgres.files import check_size
from kaboom.jobs.postgres.tables import JOB_FILES

_C = JOB_FILES.c


class PostgresJobFiles:
    """`JobFiles` on the ledger's PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def save(self, job_id: str, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            check_size(name, content)
        rows = [{"job_id": job_id, "name": name, "body": zlib.compress(body)} for name, body in files.items()]
        added = insert(JOB_FILES)
        statement = added.on_conflict_do_update(index_elements=[_C.job_id, _C.name], set_={"body": added.excluded.body})
        async with open_transaction(self._engine) as connection:
            await connection.execute(statement, rows)

    async def load(self, job_id: str, name: str) -> bytes | None:
        rows = await self._statements.fetch(select(_C.body).where(_C.job_id == job_id, _C.name == name))
        return zlib.decompress(rows[0].body) if rows else None

    async def load_all(self, job_id: str, prefix: str) -> dict[str, bytes]:
        wanted = (_C.job_id == job_id, _C.name.startswith(prefix, autoescape=True))
        rows = await self._statements.fetch(select(_C.name, _C.body).where(*wanted))
        return {row.name: zlib.decompress(row.body) for row in sorted(rows)}

    async def drop(self, job_id: str, prefix: str) -> None:
        wanted = (_C.job_id == job_id, _C.name.startswith(prefix, autoescape=True))
        await self._statements.execute(JOB_FILES.delete().where(*wanted))
