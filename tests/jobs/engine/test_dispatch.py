"""The brokers of a dispatcher: which servers there are, and how they are named."""

import pytest

from kaboom.drivers.redis.client import connect_redis
from kaboom.jobs.engine.dispatch import Broker, CeleryDispatcher

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("places", "names"),
    [
        ({"ingest": 0, "backtest": 0}, ["broker"]),
        ({"ingest": 0, "backtest": 1, "ai_analysis": 1}, ["broker-backtest", "broker-ingest"]),
    ],
    ids=["one", "two"],
)
async def test_each_broker_is_measured_once_by_the_name_of_its_first_queue(
    redis_url: str, places: dict[str, int], names: list[str]
) -> None:
    brokers = [Broker(connect_redis(redis_url, client_name="test"), "CELERY_BROKER_URL") for _ in set(places.values())]
    dispatcher = CeleryDispatcher({queue: brokers[place] for queue, place in places.items()})
    found = await dispatcher.measure_servers()
    await dispatcher.close()
    assert sorted(found) == names
    assert all(load.memory_used for load in found.values())
