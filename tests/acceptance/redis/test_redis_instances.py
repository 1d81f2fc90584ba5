"""Several Redis servers: state and broker apart, and brokers by queue, each with a worker of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kaboom.catalog import CATALOG
from kaboom.errors import ConfigurationError
from kaboom.jobs.engine.parts import check_parts
from tests.fixtures.jobs.apps import real_settings
from tests.fixtures.servers.stacks import KABOOM, Api, clean_environment, serving, until
from tests.fixtures.servers.valkeys import Valkey, valkey
from tests.fixtures.workers.workers import Place, worker

pytestmark = pytest.mark.timeout(240)

APP = "app.tasks.celery_app"
BODY: dict[str, Any] = {"intervals": {"1h": 1}, "symbols": ["7203", "6758"], "session": "2025-11-04"}


@dataclass(frozen=True)
class Pair:
    """Two servers, empty at first, and an API that knows of both by the settings of `env`."""

    state: Valkey
    other: Valkey
    api: Api
    place: Place
    env: dict[str, str]


@contextmanager
def pair(folder: Path, database_url: str, **env: str) -> Iterator[Pair]:
    """Give two servers and an API; `{other}` in a setting is the second one's address."""
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    with valkey(folder, "state") as state, valkey(folder, "other") as other:
        env = {name: text.format(other=other.url) for name, text in env.items()}
        servers = {"REDIS_URL": state.url, "DATABASE_URL": database_url}
        switches = {"DISABLE_CELERY": "false", "DISABLE_REDIS": "false"}
        with serving(folder / "api", **servers, **switches, **env) as api:
            yield Pair(state, other, api, Place(state.url, database_url, folder), servers | env)


def messages_on(server: Valkey) -> dict[str, int]:
    """Return how many messages wait on a server, by queue."""
    with server.connect() as client:
        keys = client.keys("celery:*")
        lists = [key for key in keys if client.type(key) == "list"]
        return {key.removeprefix("celery:"): client.llen(key) for key in lists}


def keys_of(server: Valkey) -> set[str]:
    """Return what the keys of a server begin with."""
    with server.connect() as client:
        return {key.partition(":")[0] for key in client.keys("*")}


def doctor(pair: Pair) -> tuple[int, dict[str, str]]:
    """Return the exit code of `kaboom doctor`, and its verdicts."""
    env = clean_environment(KABOOM_DATA_DIR=str(pair.place.folder), KABOOM_API_URL=pair.api.url, **pair.env)
    done = subprocess.run((*KABOOM, "doctor", "--json"), env=env, capture_output=True, check=False, timeout=90)
    return done.returncode, {finding["part"]: finding["verdict"] for finding in json.loads(done.stdout)}


def smoke(pair: Pair) -> "subprocess.CompletedProcess[str]":
    """Run `kaboom smoke` once."""
    env = clean_environment(KABOOM_DATA_DIR=str(pair.place.folder), **pair.env)
    argv = (*KABOOM, "smoke", "--json", "--timeout", "20")
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=90)


def names_of(detail: str) -> list[str]:
    """Return the workers that a check names."""
    return detail.partition(": ")[2].split(", ")


def test_state_and_broker_apart(database_url: str, tmp_path: Path) -> None:
    with pair(tmp_path, database_url, CELERY_BROKER_URL="{other}") as two:
        # A job is accepted without a broker, and told to workers when it is back.
        two.other.process.kill()
        job_id = two.api.submit(**BODY)
        ready = two.api.http.get("/readyz")
        parts = {name: part["is_ok"] for name, part in ready.json()["parts"].items()}
        assert (ready.status_code, parts) == (200, {"redis": True, "broker": False, "database": True})
        code, verdicts = doctor(two)
        assert (code, verdicts["redis"], verdicts["broker"]) == (1, "ok", "fault")
        two.other.process.start()
        with worker(two.place, application=APP, CELERY_BROKER_URL=two.other.url):
            assert two.api.wait(job_id)["status"] == "completed"
        assert "celery" in keys_of(two.other)
        assert not keys_of(two.other) & {"ingest", "market_data", "kaboom"}
        # Results are kept with the state.
        assert messages_on(two.state) == {}
        assert {"ingest", "kaboom", f"celery-task-meta-{job_id}"} <= keys_of(two.state)


@pytest.mark.anyio
@pytest.mark.parametrize("setting", ["celery_broker_url", "queue_brokers"])
async def test_a_broker_that_evicts_is_refused(setting: str, redis_url: str, database_url: str, tmp_path: Path) -> None:
    with valkey(tmp_path, "other", maxmemory_policy="allkeys-lru") as other:
        value = other.url if setting == "celery_broker_url" else f"backtest={other.url}"
        settings = real_settings(redis_url, database_url, tmp_path)
        unfit = type(settings).model_validate(settings.model_dump(by_alias=False) | {setting: value})
        with pytest.raises(ConfigurationError, match=r"allkeys-lru, expected noeviction.*(BROKER_URL|QUEUE_BROKERS)"):
            await check_parts(unfit, CATALOG, role="test")


def test_each_queue_goes_to_its_broker_and_its_worker(database_url: str, tmp_path: Path) -> None:
    with pair(tmp_path, database_url, KABOOM_QUEUE_BROKERS="market_data={other}") as two:
        ingest = two.api.submit(**BODY)
        answer = two.api.http.post("/api/v1/market-data/mirror", json={})
        assert answer.status_code == 202, answer.text
        mirror = answer.headers["location"]
        assert [messages_on(server) for server in (two.state, two.other)] == [{"ingest": 1}, {"market_data": 1}]
        common = {"KABOOM_QUEUE_BROKERS": two.env["KABOOM_QUEUE_BROKERS"]}
        rest = "--queues=ingest,ai_analysis,backtest,notifications"
        with (
            worker(two.place, rest, "--hostname=rest@%h", application=APP, concurrency=1, **common) as first,
            worker(
                two.place, "--queues=market_data", "--hostname=apart@%h", application=APP, concurrency=1, **common
            ) as second,
        ):
            assert two.api.wait(ingest)["status"] == "completed"
            ended = until(
                lambda: two.api.http.get(mirror).json(), lambda job: job["status"] == "completed", within_s=60
            )
            assert ended["task"] == "market_data.mirror"
            # Asked of its own broker, a worker answers there alone.
            asked = clean_environment(KABOOM_DATA_DIR=str(tmp_path), **(two.env | {"CELERY_BROKER_URL": two.other.url}))
            ping = (sys.executable, "-m", "celery", "-A", APP, "inspect", "ping", "--json", "--timeout=3")
            done = subprocess.run(ping, env=asked, cwd=tmp_path, capture_output=True, check=True, timeout=90)
            assert [name.partition("@")[0] for name in json.loads(done.stdout)] == ["apart"]
            # And `kaboom smoke` asks each worker at its own.
            passed = smoke(two)
            assert passed.returncode == 0, passed
            checks = {check["name"]: check for check in json.loads(passed.stdout)["checks"]}
            assert {"rest@", "apart@"} == {name[: name.index("@") + 1] for name in names_of(checks["ping"]["detail"])}
            for running in (first, second):
                status, said = running.get("/readyz")
                assert (status, said["parts"]["broker"]["is_ok"]) == (200, True)
        taken = [{line["queue"] for line in each.lines() if "chunk" in line} for each in (first, second)]
        # The first serves all other queues, too: an alert may have been told meanwhile.
        assert taken[0] - {"notifications"} == {"ingest"}
        assert taken[1] == {"market_data"}


def test_a_worker_of_two_brokers_is_refused(redis_url: str, database_url: str, tmp_path: Path) -> None:
    env = clean_environment(
        REDIS_URL=redis_url,
        DATABASE_URL=database_url,
        KABOOM_DATA_DIR=str(tmp_path),
        KABOOM_QUEUE_BROKERS="backtest=redis://:secret@127.0.0.1:1/0",
    )
    argv = (sys.executable, "-m", "celery", "-A", APP, "worker", "--queues=ingest,backtest", "--concurrency=1")
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "ConfigurationError" in line]
    assert "--queues named queues of 2 brokers" in line
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stdout + done.stderr
