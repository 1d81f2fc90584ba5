"""One alert all the way: a job's chunks fail, Prometheus sees it on the worker's own port, and somebody is told."""

from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import redis

from kaboom.jobs.model import JobStatus
from tests.alerts.chain import TOKEN, chain
from tests.alerts.check import metrics_of
from tests.alerts.rules import load_rules
from tests.fixtures.servers.receivers import Receiver, receiving
from tests.fixtures.servers.stacks import until
from tests.fixtures.workers.workers import Place, worker

#: What is missing from a worker without limits on Redis and disk, nightly ingests, backups and an API.
_CONDITIONAL = {"kaboom_redis_memory_max_bytes", "kaboom_ingest_overdue_seconds", "kaboom_backfill_age_seconds"} | {
    "kaboom_database_disk_bytes",
    "kaboom_backup_age_seconds",
    "kaboom_http_requests_total",
    "kaboom_http_request_seconds_bucket",
    "kaboom_http_request_seconds_count",
    "kaboom_failed_logins_total",
}


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where a worker runs, with nothing in its Redis and its ledger."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    return Place(redis_url, database_url, tmp_path)


def told(receiver: Receiver, alert: str, status: str) -> list[tuple[str, dict[str, Any]]]:
    """Return where a receiver was told of an alert's state, and how."""
    notices = [(seen.path, orjson.loads(seen.body)) for seen in receiver.seen]
    return [
        (path, each)
        for path, notice in notices
        for each in notice["alerts"]
        if (each["labels"]["alertname"], each["status"]) == (alert, status)
    ]


@pytest.mark.timeout(480)
def test_chunks_that_fail_page_somebody_and_later_it_is_over(place: Place, tmp_path: Path) -> None:
    with worker(place) as running, receiving() as receiver:
        base = receiver.url.removesuffix("/hook?signature=s3cret")
        with chain(tmp_path, targets=[f"127.0.0.1:{running.http.base_url.port}"], receiver=base) as prometheus:
            # From the start, so that the first failure is seen as one more.
            zeros = 'kaboom_dead_letters_total{queue="ingest"} == 0'
            until(lambda: prometheus.query(zeros), bool, within_s=60)
            wanted = {name for rule in load_rules().values() for name in metrics_of(rule.expr)} - _CONDITIONAL
            until(lambda: {n for n in wanted if not prometheus.query(n)}, lambda missing: not missing, within_s=60)
            assert not receiver.seen
            # Without `item_s` each chunk raises a KeyError, and is given up at once.
            assert place.wait(place.submit(chunks=8, items=1)).status is JobStatus.FAILED
            for alert in ("KaboomDeadLetters", "KaboomWorkerErrors"):
                firing = until(lambda name=alert: told(receiver, name, "firing"), bool, within_s=60)  # type: ignore[misc]
                path, notice = firing[0]
                assert path == "/api/v1/notifications/alertmanager"
                assert notice["labels"]["severity"] == "page"
                assert notice["annotations"] == load_rules()[alert].annotations
            assert told(receiver, "KaboomDeadLetters", "firing")[0][1]["labels"]["queue"] == "ingest"
            for alert in ("KaboomDeadLetters", "KaboomWorkerErrors"):
                until(lambda name=alert: told(receiver, name, "resolved"), bool, within_s=90)  # type: ignore[misc]
    assert {seen.headers["X-Ingest-Token"] for seen in receiver.seen} == {TOKEN}
    others = {each["labels"]["alertname"] for seen in receiver.seen for each in orjson.loads(seen.body)["alerts"]}
    assert others == {"KaboomDeadLetters", "KaboomWorkerErrors"}
