"""Schedules on a real `kaboom up`: a worker fires what is due, and what came due while it was dead, once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg

from tests.fixtures.jobs.apps import JOBS, SCHEDULES
from tests.fixtures.jobs.schedules import past_dues
from tests.fixtures.servers.stacks import Stack, until


@contextmanager
def schedule(up: Stack, **values: Any) -> Iterator[str]:
    """Give the path of a schedule, and delete it."""
    request = {"intervals": {"1d": 1}, "symbols": ["7203"]}
    made = up.api.http.post(SCHEDULES, json={"request": request} | values)
    assert made.status_code == 201, made.text
    path = made.headers["location"]
    yield path
    assert up.api.http.delete(path).status_code == 204


def make_due(up: Stack, path: str, at: datetime) -> None:
    with psycopg.connect(up.run()["database_url"], autocommit=True) as connection:
        connection.execute("UPDATE schedules SET next_at = %s WHERE schedule_id = %s", (at, path.rpartition("/")[2]))


def firings(up: Stack, path: str) -> list[dict[str, Any]]:
    answer = up.api.http.get(path)
    return list(answer.json()["firings"]) if answer.status_code == 200 else []


def test_each_due_time_is_fired_once_though_the_worker_is_killed(up: Stack) -> None:
    session_at, dues = past_dues(6)
    with schedule(up, name="catch up", session_at=session_at, missed="all", max_late_h=720) as path:
        make_due(up, path, dues[0])
        os.kill(up.pid("worker-1"), signal.SIGKILL)
        fired = until(lambda: firings(up, path), lambda found: len(found) >= len(dues), within_s=90)
        assert [f["outcome"] for f in fired] == ["fired"] * len(dues)
        jobs = [up.api.wait(f["job_id"]) for f in reversed(fired)]
        assert [job["result"]["session"] for job in jobs] == [f"{due_at.date()}" for due_at in dues]
        assert {job["status"] for job in jobs} == {"completed"}
        assert len({job["job_id"] for job in jobs}) == len(dues)
        assert up.api.http.get(path).json()["firings"] == fired


def test_the_command_line_keeps_schedules(up: Stack) -> None:
    listed = up.kaboom("schedules", "list")
    assert "daily ingest" in listed.out
    assert up.kaboom("schedules", "enable", "daily ingest").code == 0
    assert "1 enabled: daily ingest" in up.kaboom("doctor").out
    assert "fires next at" not in up.kaboom("schedules", "disable", "daily ingest").err
    ran = up.kaboom("schedules", "run", "daily ingest", "--json")
    assert ran.code == 0, ran.err
    (job_id,) = [f["job_id"] for f in firings(up, _path_of(up, "daily ingest")) if f["is_manual"]]
    assert f'"{job_id}"' in ran.out
    assert up.api.http.post(f"{JOBS}/{job_id}/cancel").status_code in {202, 409}


def _path_of(up: Stack, name: str) -> str:
    items = up.api.http.get(SCHEDULES).json()["items"]
    return next(f"{SCHEDULES}/{item['schedule_id']}" for item in items if item["name"] == name)
