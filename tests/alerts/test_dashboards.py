"""Every query of Grafana's dashboards and of the scaler has an answer in a real Prometheus."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from kaboom.drivers.embedded.servers import free_port
from tests.alerts.chain import Chain, chain, shorten
from tests.fixtures.repo.dashboards import load_dashboards, queries_of
from tests.fixtures.repo.repository import load_text
from tests.fixtures.servers.stacks import serving, until
from tests.fixtures.workers.workers import Place, worker

#: As Helm fills it in, but for the label that only a cluster's Prometheus adds.
(_SCALER,) = re.findall(r"^ +query: (.+)$", load_text("infra/helm/kaboom/templates/worker.yaml"), re.MULTILINE)
QUERIES = [query for dashboard in load_dashboards().values() for query in queries_of(dashboard)]
QUERIES.append(_SCALER.replace('{namespace="{{ .Release.Namespace }}"}', ""))


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Iterator[Place]:
    """Where API and worker run: a Redis with a limit, as in production."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
        connection.config_set("maxmemory", 1 << 30)
        with psycopg.connect(database_url) as ledger:
            ledger.execute("TRUNCATE jobs CASCADE")
        yield Place(redis_url, database_url, tmp_path)
        connection.config_set("maxmemory", 0)


@pytest.fixture
def prometheus(place: Place) -> Iterator[Chain]:
    """A Prometheus that has seen one ingest."""
    port = free_port()
    env = {"REDIS_URL": place.redis_url, "DATABASE_URL": place.database_url, "KABOOM_METRICS_PORT": str(port)}
    with (
        worker(place, application="app.tasks.celery_app") as running,
        serving(place.folder, DISABLE_CELERY="false", DISABLE_REDIS="false", **env) as api,
    ):
        targets = [f"127.0.0.1:{running.http.base_url.port}", f"127.0.0.1:{port}"]
        with chain(place.folder, targets=targets, receiver="http://127.0.0.1:9") as found:
            until(lambda: found.query("sum(up) == 2"), bool, within_s=60)
            job = api.wait(api.submit(intervals={"1m": 1}, symbols=["7203"], session="2025-11-04"))
            assert job["status"] == "completed"
            yield found


@pytest.mark.timeout(480)
def test_every_query_has_an_answer(prometheus: Chain) -> None:
    assert len(QUERIES) >= 20

    def unanswered() -> list[str]:
        return [query for query in QUERIES if not prometheus.query(shorten(query))]

    until(unanswered, lambda left: left == [], within_s=60, every_s=1)
