"""What Celery is told of brokers and results, and which broker a worker of some queues consumes from."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kaboom.errors import ConfigurationError
from kaboom.jobs.engine.message import KEY_PREFIX
from kaboom.jobs.engine.parts import broker_urls
from kaboom.jobs.model import Queue
from kaboom.settings import AppSettings
from kaboom.worker.brokers import broker_options, choose_broker, result_options
from tests.fixtures.jobs.apps import real_settings

SENTINELS = "sentinel://:hush@10.0.0.1/1;sentinel://10.0.0.2/1?master_name=kaboom"
A, B, C = (f"redis://:secret@10.0.0.{n}:6379/0" for n in (1, 2, 3))


def settings(**values: Any) -> AppSettings:
    return real_settings(A, "postgresql://nowhere/x", Path()).model_copy(
        update={"celery_broker_url": None} | {name: SecretStr(value) for name, value in values.items()}
    )


def test_the_url_of_one_server_is_passed_on_as_it_is() -> None:
    options = broker_options(A, "CELERY_BROKER_URL")
    assert options["broker_read_url"] == options["broker_write_url"] == A
    assert options["broker_transport"] == "kaboom.worker.transport:GuardedTransport"
    assert options["broker_transport_options"]["global_keyprefix"] == KEY_PREFIX
    assert "master_name" not in options["broker_transport_options"]
    # The environment's would win over it.
    assert "broker_url" not in options


def test_kombu_gets_one_sentinel_and_the_others_as_an_option() -> None:
    options = broker_options(SENTINELS, "CELERY_BROKER_URL")
    assert options["broker_read_url"] == "sentinel://:hush@10.0.0.1:26379/1"
    assert options["broker_transport"] == "kaboom.worker.transport:GuardedSentinelTransport"
    transport = options["broker_transport_options"]
    assert transport["sentinels"] == (("10.0.0.1", 26379), ("10.0.0.2", 26379))
    assert transport["master_name"] == "kaboom"
    # A dead one is asked once, not eleven times with growing pauses.
    assert transport["sentinel_kwargs"]["retry"]._retries == 0
    assert transport["ack_emulation"] is False


def test_results_get_every_sentinel() -> None:
    url, options = result_options(SENTINELS)
    assert url == "sentinel://:hush@10.0.0.1:26379/1;sentinel://:hush@10.0.0.2:26379/1"
    assert options["master_name"] == "kaboom"


@pytest.mark.parametrize("url", [SENTINELS, "redis://h/0"])
def test_results_have_no_prefix_that_a_client_would_have_to_know(url: str) -> None:
    assert "global_keyprefix" not in result_options(url)[1]


@pytest.mark.parametrize("url", ["disabled://", "db+postgresql://host/x", "rpc://"])
def test_another_keeper_of_results_is_celerys_own_matter(url: str) -> None:
    assert result_options(url) == (url, {})


def test_a_certificate_is_verified_unless_it_is_said_otherwise() -> None:
    told = broker_options("rediss://:hush@h:6378/0?ssl_ca_certs=/ca.pem&socket_timeout=9", "X")["broker_read_url"]
    assert told == "rediss://:hush@h:6378/0?ssl_cert_reqs=required&ssl_ca_certs=%2Fca.pem"
    assert result_options("rediss://h/0?ssl_cert_reqs=none")[0] == "rediss://h:6379/0?ssl_cert_reqs=none"


def test_every_queue_has_a_broker() -> None:
    assert broker_urls(settings()) == dict.fromkeys(Queue, (A, "REDIS_URL"))
    assert broker_urls(settings(celery_broker_url=B)) == dict.fromkeys(Queue, (B, "CELERY_BROKER_URL"))
    apart = broker_urls(settings(queue_brokers=f"backtest={B}  ai_analysis={C}"))
    assert apart[Queue.BACKTEST] == (B, "KABOOM_QUEUE_BROKERS")
    assert apart[Queue.AI_ANALYSIS] == (C, "KABOOM_QUEUE_BROKERS")
    assert apart[Queue.INGEST] == (A, "REDIS_URL")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"backtests={B}", "KABOOM_QUEUE_BROKERS named backtests, known are ingest, ai_analysis"),
        ("backtest", "part 1 of KABOOM_QUEUE_BROKERS was not queue=address"),
        (f"backtest={B} {C}", "part 2 of KABOOM_QUEUE_BROKERS was not queue=address"),
        (f"backtest={B} backtest={C}", "part 2 of KABOOM_QUEUE_BROKERS was not queue=address"),
        ("backtest=amqp://:secret@h", "KABOOM_QUEUE_BROKERS of backtest was amqp://…, expected redis://"),
        ("backtest=redis+cluster://:secret@h", "of backtest was redis\\+cluster://…, which is a Redis Cluster"),
    ],
)
def test_what_is_no_broker_of_a_queue_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected) as raised:
        broker_urls(settings(queue_brokers=text))
    assert "secret" not in raised.value.message


def test_a_worker_consumes_from_the_broker_of_its_queues() -> None:
    brokers = broker_urls(settings(queue_brokers=f"backtest={B} ai_analysis={B} notifications={C}"))
    assert choose_broker(brokers, ["ingest", "market_data"]) == (A, "REDIS_URL")
    assert choose_broker(brokers, ["backtest", "ai_analysis"])[0] == B
    assert choose_broker(brokers, ["notifications"])[0] == C
    # Celery itself refuses a queue that there is not, a moment later.
    assert choose_broker(brokers, ["no_such_queue", "backtest"])[0] == B
    assert choose_broker(broker_urls(settings()), []) == (A, "REDIS_URL")


@pytest.mark.parametrize("queues", [["ingest", "backtest"], []])
def test_queues_of_two_brokers_are_refused(queues: list[str]) -> None:
    brokers = broker_urls(settings(queue_brokers=f"backtest={B}"))
    with pytest.raises(ConfigurationError, match=r"--queues named queues of 2 brokers") as raised:
        choose_broker(brokers, queues)
    assert "backtest on that of KABOOM_QUEUE_BROKERS" in raised.value.message
    assert "start a worker for each" in raised.value.message
    assert "secret" not in raised.value.message
