"""Two groups of the same requests in opposite order are admitted at the same time without a deadlock."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from sqlalchemy import text

from kaboom.drivers.postgres.engine import Statements, connect_postgres
from kaboom.jobs.postgres import admission as group_commit
from kaboom.jobs.postgres.admission import Draft, GroupCommit, build_draft
from kaboom.jobs.postgres.port import Admission, Admitted, Terms
from tests.fixtures.jobs.jobs import OWNER, make_job

pytestmark = pytest.mark.anyio
NAMES = [f"request-{n}" for n in range(5)]
#: Held by a third submission, until each group has got as far as this.
MIDDLE = NAMES[2]


def drafts(names: Sequence[str]) -> list[Draft]:
    """Return a group of submissions that may join others of the same request."""
    made = [build_draft(make_job(), Terms(name, may_join=True)) for name in names]
    return [draft for draft in made if draft]


async def wait_until_two_wait(connection: "psycopg.Connection[tuple[int]]") -> None:
    """Return when two statements of the database wait for locks."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(5):
        while connection.execute(waiting).fetchone() != (2,):  # noqa: ASYNC110  PostgreSQL tells nobody
            await asyncio.sleep(0.02)


async def admit_in_opposite_order(url: str) -> list[Sequence[Admission | Exception] | BaseException]:
    """Admit a group and its mirror image, both of which meet a held request in the middle."""
    with psycopg.connect(url, autocommit=True) as watcher:
        watcher.execute("TRUNCATE jobs, idempotency_keys CASCADE")
        engines = [connect_postgres(url, application_name=f"group-{n}") for n in range(2)]
        commits = [GroupCommit(Statements(engine)) for engine in engines]
        with psycopg.connect(url) as holder:
            holder.execute(
                "INSERT INTO jobs (job_id, queue, task, owner, status, request, attempt, overlap_key)"
                " VALUES ('held', 'ingest', 'ingest.run_daily', %s, 'queued', '{}', 1, %s)",
                (OWNER, MIDDLE),
            )
            groups = [drafts(NAMES), drafts(NAMES[::-1])]
            running = [asyncio.create_task(each._admit_all(group)) for each, group in zip(commits, groups, strict=True)]
            await wait_until_two_wait(watcher)
            holder.rollback()
        answers = await asyncio.gather(*running, return_exceptions=True)
        for engine in engines:
            await engine.dispose()
    return answers


async def test_two_groups_in_opposite_order_both_get_their_jobs(database_url: str) -> None:
    answers = await admit_in_opposite_order(database_url)
    admissions = [each for group in answers if not isinstance(group, BaseException) for each in group]
    assert [each for each in (*answers, *admissions) if isinstance(each, BaseException)] == []
    kept = [each for each in admissions if isinstance(each, Admission)]
    assert sorted(each.how for each in kept) == [Admitted.JOINED] * len(NAMES) + [Admitted.NEW] * len(NAMES)
    assert len({each.job.job_id for each in kept}) == len(NAMES)


async def test_without_the_order_they_would_deadlock(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unordered = str(group_commit._INSERT).replace("ORDER BY owner, overlap_key\n", "")
    assert unordered != str(group_commit._INSERT)
    monkeypatch.setattr(group_commit, "_INSERT", text(unordered))
    answers = await admit_in_opposite_order(database_url)
    assert any("deadlock detected" in str(each) for each in answers)
