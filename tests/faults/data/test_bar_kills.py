"""Writers and servers that are killed lose nothing that was acknowledged, double nothing, and tear no read."""

from pathlib import Path

from tests.fixtures.bars.page_kills import KillReport, kill_writers
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.bars.postgres_kills import kill_server


def check(report: KillReport) -> None:
    assert report.reads > 0
    assert report.lost == []
    assert report.torn == []


def test_killed_writers_lose_nothing_acknowledged_and_tear_nothing(database_url: str) -> None:
    empty_bar_tables(database_url)
    report = kill_writers(database_url, kills=3)
    assert report.kills == 6
    assert report.acknowledged >= 6
    check(report)


def test_a_killed_server_loses_nothing_acknowledged(open_tmp: Path) -> None:
    report = kill_server(open_tmp, kills=2)
    assert report.kills == 2
    assert report.acknowledged >= 2 * 2 * 9
    check(report)
