"""A worker that reads Secret Manager forks afterwards: gRPC is gone by then, and its pool works."""

from pathlib import Path

import psycopg
import pytest
import redis

from kaboom.jobs.model import JobStatus
from kaboom.settings import secret_name, secret_variables
from tests.fixtures.servers.fake_google_secrets import secret_manager
from tests.fixtures.workers.workers import Place, worker

pytestmark = pytest.mark.timeout(240)


def test_it_asks_once_and_its_pool_works(redis_url: str, database_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    place = Place(redis_url, database_url, tmp_path)
    with secret_manager() as fake:
        fake.secrets |= {"redis-url": redis_url, "database-url": f"{database_url}\n"}
        env = {"KABOOM_SECRET_PROJECT": "kaboom-tests", "FAKE_SECRET_PORT": str(fake.port)}
        with worker(place, application="tests.fixtures.workers.secret_worker", concurrency=2, **env) as running:
            job_id = place.submit(chunks=4, items=2, item_s=0.01)
            assert place.wait(job_id).status is JobStatus.COMPLETED
            pids = {pid for _, _, pid, _ in place.lines()}
            assert pids <= {str(child.pid) for child in running.children()}
            assert running.stop() == 0
        # Children inherit what the main process has read.
        assert len(fake.asked) == len(fake.names())
        assert fake.names() == {secret_name(variable) for variable in secret_variables()}
