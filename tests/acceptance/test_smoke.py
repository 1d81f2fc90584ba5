"""`kaboom smoke` beside real workers: it passes where a release works, and says what is missing where one does not."""

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
import psycopg
import pytest
import redis

from kaboom.cli.exits import Exit
from kaboom.cli.stack.migrate import check_schema
from kaboom.errors import StoreError
from kaboom.jobs.model import Queue
from tests.fixtures.servers.servers import Servers, fresh_database
from tests.fixtures.servers.stacks import KABOOM, Command, clean_environment, until
from tests.fixtures.workers.workers import Place, WorkerProcess, worker

pytestmark = pytest.mark.timeout(180)
#: `_LOCK_KEY` of `migrations/env.py`, which nobody but Alembic can import.
MIGRATION_LOCK = 0x6B61626F6F6D
NOBODY = "redis://127.0.0.1:1/0"

type Smoke = Callable[..., Command]


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where a worker runs, on an empty Redis."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    return Place(redis_url, database_url, tmp_path)


@pytest.fixture
def smoke(place: Place) -> Smoke:
    """Run `kaboom smoke` as the smoke job does, with the same variables."""

    def run(*arguments: str, **env: str) -> Command:
        settings = {
            "REDIS_URL": place.redis_url,
            "DATABASE_URL": place.database_url,
            "KABOOM_DATA_DIR": str(place.folder),
        }
        done = subprocess.run(
            (*KABOOM, "smoke", *arguments),
            env=clean_environment(**(settings | env)),
            cwd=place.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Command(done.returncode, done.stdout, done.stderr)

    return run


def verdicts(done: Command) -> dict[str, str]:
    """Name → detail, of the checks that failed."""
    return {check["name"]: check["detail"] for check in orjson.loads(done.out)["checks"] if not check["is_ok"]}


def test_the_running_release_passes_and_another_fails(place: Place, smoke: Smoke) -> None:
    with worker(place, KABOOM_RELEASE="r1") as first:
        assert first.get("/readyz")[1]["release"] == "r1"
        assert any(line.get("message") == "worker_started" and line["release"] == "r1" for line in first.lines())
        passed = smoke("--only", "--json", KABOOM_RELEASE="r1")
        assert (passed.code, verdicts(passed)) == (Exit.OK, {}), passed
        assert len(orjson.loads(passed.out)["checks"]) == 8
        failed = smoke("--release", "r2", "--timeout", "0", "--json")
        assert failed.code == Exit.UNAVAILABLE
        assert verdicts(failed) == {
            "heartbeat": "no worker of this release; 1 of r1",
            "ping": "no worker of this release; 1 of r1",
            "queues": f"no worker consumes {', '.join(sorted(Queue))}",
        }
        assert "3 of 7 checks failed" in failed.err
        with worker(place, "--hostname=second@%h", KABOOM_RELEASE="r2"):
            assert set(verdicts(smoke("--only", "--timeout", "0", "--json", "--release", "r2"))) == {"only"}
            assert first.stop() == 0
            alone = smoke("--only", "--timeout", "60", "--json", "--release", "r2")
            assert (alone.code, verdicts(alone)) == (Exit.OK, {})


def test_a_queue_that_nobody_consumes_is_named(place: Place, smoke: Smoke) -> None:
    with worker(place, "--exclude-queues=backtest,notifications"):
        done = smoke("--timeout", "0", KABOOM_LANG="ja")
    assert done.code == Exit.UNAVAILABLE
    assert "backtest, notifications を処理するワーカーがありません" in done.out
    assert "7項目中1項目を確認できません" in done.err


def test_pool_instances_have_distinct_names(place: Place, smoke: Smoke) -> None:
    node = "--hostname=celery@localhost"

    def instance() -> AbstractContextManager[WorkerProcess]:
        return worker(
            place, node, application="tests.fixtures.workers.nameless_worker", port_variable="KABOOM_SIDE_PORT"
        )

    with instance(), instance():
        done = until(lambda: smoke("--json"), lambda done: done.out.count('"2: ') == 2, within_s=60)
    assert done.code == Exit.OK
    assert done.out.count("celery@localhost-") == 2
    assert done.out.count("worker-main@localhost:") == 2


def test_unavailable_parts_are_reported_in_time(smoke: Smoke) -> None:
    done = smoke("--timeout", "0", "--json", REDIS_URL=NOBODY, DATABASE_URL="postgresql://a:secret@127.0.0.1:1/b")
    assert done.code == Exit.UNAVAILABLE
    assert set(verdicts(done)) == {"redis", "broker", "ledger", "schema", "heartbeat", "ping", "queues"}
    assert "secret" not in done.out + done.err


def test_a_separate_broker_may_be_unavailable(smoke: Smoke) -> None:
    done = smoke("--timeout", "0", "--json", CELERY_BROKER_URL=NOBODY)
    assert set(verdicts(done)) == {"broker", "heartbeat", "ping", "queues"}


@pytest.mark.parametrize("statement", ["UPDATE alembic_version SET version_num = '0001'", "DROP TABLE alembic_version"])
def test_a_schema_of_another_release_is_a_fault(statement: str, servers: Servers) -> None:
    with fresh_database(servers) as url:
        check_schema(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)
        with pytest.raises(StoreError, match="kaboom migrate"):
            check_schema(url)


def test_a_migration_under_way_is_not_waited_for(servers: Servers) -> None:
    with fresh_database(servers) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        check_schema(url)
