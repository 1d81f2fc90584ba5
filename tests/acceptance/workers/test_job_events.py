"""The event about a job that we write by hand goes where Celery's own goes, in the same envelope."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from kaboom.jobs.engine.message import JobEvent
from kaboom.jobs.model import JobStatus
from kaboom.worker.brokers import broker_options
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.servers.stacks import until


@pytest.fixture
def client(redis_url: str) -> Iterator[Celery]:
    """A Celery with the broker settings of the worker's."""
    app = Celery("any", set_as_current=False)
    app.conf.update(broker_options(redis_url, "REDIS_URL"))
    yield app
    app.close()


def database_of(redis_url: str) -> int:
    return int(redis_url.rpartition("/")[2])


def test_channel_and_envelope_are_celerys_own(client: Celery, redis_url: str) -> None:
    event = JobEvent(make_job(status=JobStatus.RUNNING), "celery@here")
    with Redis.from_url(redis_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as heard:
        heard.psubscribe("*")
        heard.get_message(timeout=5)
        with client.events.default_dispatcher(hostname="celery@here") as dispatcher:
            dispatcher.send("task-started", uuid=event.job.job_id)
        redis.publish(event.channel(database_of(redis_url)), event.message())
        theirs, ours = (until(lambda: heard.get_message(timeout=1), bool, within_s=20) for _ in range(2))
    assert theirs["channel"] == ours["channel"]
    envelopes = [json.loads(message["data"]) for message in (theirs, ours)]
    assert envelopes[0].keys() == envelopes[1].keys()
    assert envelopes[0]["properties"].keys() == envelopes[1]["properties"].keys()
    assert envelopes[0]["properties"]["delivery_info"] == envelopes[1]["properties"]["delivery_info"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (JobStatus.RUNNING, "STARTED"),
        (JobStatus.COMPLETED, "SUCCESS"),
        (JobStatus.PARTIAL, "SUCCESS"),
        (JobStatus.FAILED, "FAILURE"),
        (JobStatus.CANCELLED, "REVOKED"),
    ],
)
def test_celerys_receiver_reads_the_state(client: Celery, redis_url: str, status: JobStatus, state: str) -> None:
    event, cluster = JobEvent(make_job(status=status), "celery@here"), client.events.State()
    received: list[dict[str, Any]] = []
    with client.connection() as given, Redis.from_url(redis_url) as redis:
        receiver: Any = client.events.Receiver(given, handlers={"*": received.append})
        with receiver.consumer_context() as (connection, *_):
            # kombu subscribes when it first waits.
            with suppress(TimeoutError):
                connection.drain_events(timeout=0.5)
            assert redis.publish(event.channel(database_of(redis_url)), event.message()) == 1
            connection.drain_events(timeout=20)
    cluster.event(received[0])
    task = cluster.tasks[event.job.job_id]
    assert (task.name, task.state, task.worker.hostname) == (event.job.task, state, "celery@here")
