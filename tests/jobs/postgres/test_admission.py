"""How a group commit admits jobs; what callers see is in `tests/jobs/test_job_admission_contract.py`."""

import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.admission import _join, build_draft
from kaboom.jobs.postgres.port import Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from tests.fixtures.jobs.jobs import make_job

pytestmark = pytest.mark.anyio


async def test_only_an_active_job_of_the_same_owner_is_joined(database_url: str, anyio_backend: str) -> None:
    engine = connect_postgres(database_url, application_name="test")
    history = PostgresJobHistory(engine)
    terms = Terms("same work", may_join=True)
    active = (await history.admit(make_job(owner="joined"), terms)).job
    ended = (await history.admit(make_job(owner="ended"), terms)).job
    await history.save_status(ended.job_id, JobStatus.CANCELLING)
    drafts = [build_draft(make_job(owner=owner), terms) for owner in ("joined", "ended", "alone")]
    async with engine.begin() as connection:
        found = await _join(connection, [draft for draft in drafts if draft])
    await engine.dispose()
    assert [admission.job.job_id for admission in found.values()] == [active.job_id]
    assert list(found) == [draft.job.job_id for draft in drafts[:1] if draft]
