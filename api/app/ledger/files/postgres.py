"""The files of jobs in PostgreSQL, compressed, beside the jobs that they belong to."""

import zlib
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.ledger.files.port import check_size
from app.ledger.tables import JOB_FILES
from batch.kit.postgres.engine import AsyncEngine, open_connection, open_transaction

_C = JOB_FILES.c


class PostgresJobFiles:
    """`JobFiles` on the ledger's PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save(self, job_id: str, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            check_size(name, content)
        rows = [{"job_id": job_id, "name": name, "body": zlib.compress(body)} for name, body in files.items()]
        added = insert(JOB_FILES)
        statement = added.on_conflict_do_update(index_elements=[_C.job_id, _C.name], set_={"body": added.excluded.body})
        async with open_transaction(self._engine) as connection:
            await connection.execute(statement, rows)

    async def load(self, job_id: str, name: str) -> bytes | None:
        async with open_connection(self._engine) as connection:
            found = await connection.execute(select(_C.body).where(_C.job_id == job_id, _C.name == name))
            body = found.scalar_one_or_none()
        return None if body is None else zlib.decompress(body)

    async def load_all(self, job_id: str, prefix: str) -> dict[str, bytes]:
        wanted = (_C.job_id == job_id, _C.name.startswith(prefix, autoescape=True))
        async with open_connection(self._engine) as connection:
            rows = await connection.execute(select(_C.name, _C.body).where(*wanted))
            return {name: zlib.decompress(body) for name, body in sorted(rows)}

    async def drop(self, job_id: str, prefix: str) -> None:
        wanted = (_C.job_id == job_id, _C.name.startswith(prefix, autoescape=True))
        async with open_transaction(self._engine) as connection:
            await connection.execute(JOB_FILES.delete().where(*wanted))
