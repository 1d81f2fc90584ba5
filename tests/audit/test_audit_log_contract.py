"""The promises of the audit log, kept by PostgreSQL and by its memory twin."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from kaboom.audit.log import AUDIT_KEPT_DAYS, AuditLog, AuditQuery, MemoryAuditLog
from tests.fixtures.accounts.records import make_line
from tests.fixtures.repo.repository import ROOT

pytestmark = pytest.mark.anyio
MIGRATION = Path("src/kaboom/migrations/versions/0021_ledger.py")


async def test_lines_are_listed_newest_first_for_their_owner(audit: AuditLog, owner: str) -> None:
    lines = [make_line(owner, target=str(n)) for n in range(3)]
    await audit.append(lines[:2])
    await audit.append([lines[2], make_line(f"{owner}-2")])
    found = await audit.list_lines(AuditQuery(owner))
    assert [line.target for line in found] == ["2", "1", "0"]
    assert all(line.at for line in found)


async def test_a_repeated_line_is_stored_once(audit: AuditLog, owner: str) -> None:
    line = make_line(owner)
    await audit.append([line])
    await audit.append([line, make_line(owner)])
    assert len(await audit.list_lines(AuditQuery(owner))) == 2


async def test_pages_have_every_line_once(audit: AuditLog, owner: str) -> None:
    await audit.append([make_line(owner, target=str(n)) for n in range(7)])
    seen, before = list[str](), None
    while page := await audit.list_lines(AuditQuery(owner, before=before, limit=3)):
        seen += [line.target for line in page]
        before = page[-1].place
    assert seen == [str(n) for n in range(6, -1, -1)]


async def test_lines_are_found_by_who_what_and_when(audit: AuditLog, owner: str) -> None:
    await audit.append([make_line(owner, subject="usr_2"), make_line(owner, action="retry_job"), make_line(owner)])
    (first,) = await audit.list_lines(AuditQuery(owner, subject="usr_2"))
    assert first.subject == "usr_2"
    (second,) = await audit.list_lines(AuditQuery(owner, action="retry_job"))
    assert second.action == "retry_job"
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert len(await audit.list_lines(AuditQuery(owner, until=later))) == 3
    assert await audit.list_lines(AuditQuery(owner, since=later)) == []
    # A range begins with its first moment and ends before its last.
    assert second.at
    assert second in await audit.list_lines(AuditQuery(owner, since=second.at))
    assert second not in await audit.list_lines(AuditQuery(owner, until=second.at))


async def test_a_line_keeps_its_reason(audit: AuditLog, owner: str) -> None:
    await audit.append([make_line(owner, reason="' OR 1=1 <b>あ"), make_line(owner)])
    assert [line.reason for line in await audit.list_lines(AuditQuery(owner))] == ["", "' OR 1=1 <b>あ"]


async def test_young_lines_are_not_pruned(audit: AuditLog, owner: str) -> None:
    await audit.append([make_line(owner)])
    await audit.prune()
    assert len(await audit.list_lines(AuditQuery(owner))) == 1


async def test_old_lines_are_pruned_in_memory() -> None:
    now = [datetime(2026, 11, 28, tzinfo=UTC)]
    audit = MemoryAuditLog(lambda: now[0])
    await audit.append([make_line("o")])
    now[0] += timedelta(days=AUDIT_KEPT_DAYS, seconds=1)
    assert await audit.prune() == 1
    assert await audit.list_lines(AuditQuery("o")) == []


class TestAppendOnly:
    @pytest.mark.parametrize("audit", ["postgres"], indirect=True)
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_log SET name = 'somebody else' WHERE owner = %s",
            "DELETE FROM audit_log WHERE owner = %s",
            "UPDATE audit_log SET at = now() - interval '500 days' WHERE owner = %s",
        ],
    )
    async def test_a_line_can_neither_be_changed_nor_deleted(
        self, audit: AuditLog, owner: str, database_url: str, statement: str
    ) -> None:
        await audit.append([make_line(owner)])
        with psycopg.connect(database_url) as connection, pytest.raises(psycopg.Error, match="append-only"):
            connection.execute(statement, [owner])
        assert len(await audit.list_lines(AuditQuery(owner))) == 1

    async def test_the_log_cannot_be_truncated(self, database_url: str) -> None:
        with psycopg.connect(database_url) as connection, pytest.raises(psycopg.Error, match="append-only"):
            connection.execute("TRUNCATE audit_log")

    @pytest.mark.parametrize("audit", ["postgres"], indirect=True)
    async def test_old_lines_are_pruned(self, audit: AuditLog, owner: str, database_url: str) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for days in (AUDIT_KEPT_DAYS - 1, AUDIT_KEPT_DAYS + 1):
                connection.execute(
                    "INSERT INTO audit_log (line_id, at, owner, subject, name, method, action, target, status,"
                    " address, request_id)"
                    " VALUES (%s, now() - make_interval(days => %s), %s, 's', 'n', 'm', 'a', %s, 200, '', '')",
                    [f"{owner}-{days}", days, owner, str(days)],
                )
        assert await audit.prune() == 1
        (young,) = await audit.list_lines(AuditQuery(owner))
        # The release before writes no reason.
        assert (young.target, young.reason) == (str(AUDIT_KEPT_DAYS - 1), "")


def test_the_trigger_keeps_lines_as_long_as_the_port_says() -> None:
    days = re.findall(r"interval '(\d+) days'", (ROOT / MIGRATION).read_text(encoding="utf-8"))
    assert days == [str(AUDIT_KEPT_DAYS)]
