"""What `kaboom smoke` makes of what it sees."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from kaboom.cli.smoke import Seen, judge
from kaboom.jobs.model import Queue
from kaboom.jobs.redis.workers import Worker
from kaboom.text.speaker import Speaker
from kaboom.worker.node import Node

AT = datetime(2026, 11, 26, tzinfo=UTC)
ALL = frozenset(queue.value for queue in Queue)
FINE = {"redis": "", "broker": "", "ledger": "", "schema": ""}


def heard(*releases: str | None) -> list[Worker]:
    return [Worker(f"worker-main@h:{n}", AT, 4, release) for n, release in enumerate(releases)]


def answered(*releases: str | None, queues: frozenset[str] = ALL) -> list[Node]:
    return [Node(f"celery@{n}", queues, release) for n, release in enumerate(releases)]


def bad(seen: Seen, release: str | None = "r2", *, only: bool = False) -> dict[str, str]:
    checks = judge(seen, Speaker("en"), release=release, only=only)
    assert [check.name for check in checks][:7] == [*FINE, "heartbeat", "ping", "queues"]
    return {check.name: check.detail for check in checks if not check.is_ok}


def test_a_healthy_system_passes() -> None:
    assert bad(Seen(FINE, heard("r2"), answered("r2")), only=True) == {}


def test_without_a_release_any_worker_passes() -> None:
    assert bad(Seen(FINE, heard(None), answered(None)), None) == {}
    assert bad(Seen(FINE, heard("r1"), answered("r1")), None, only=True) == {}
    assert set(bad(Seen(FINE, heard("r1", "r2"), answered("r1", "r2")), None, only=True)) == {"only"}


@pytest.mark.parametrize("part", FINE)
def test_a_part_that_does_not_answer_is_reported_with_its_reason(part: str) -> None:
    workers, nodes = heard("r2") if part != "redis" else [], answered("r2") if part != "broker" else []
    unknown = {"redis": ("heartbeat", "only"), "broker": ("ping", "queues", "only")}.get(part, ())
    found = bad(Seen(FINE | {part: "gone"}, workers, nodes), only=True)
    assert found == {part: "gone"} | dict.fromkeys(unknown, "not known")


@pytest.mark.parametrize(
    ("workers", "nodes", "faults"),
    [
        ([], [], {"heartbeat": "no worker", "ping": "no worker"}),
        (heard("r1"), answered("r1"), {"heartbeat": "no worker of this release; 1 of r1"}),
        (heard("r2"), answered("r1", "r1", None), {"ping": "no worker of this release; 3 of -, r1"}),
        (heard(None, "r1"), answered("r2"), {"heartbeat": "no worker of this release; 2 of -, r1"}),
    ],
    ids=["nobody", "old release", "answers are old", "heartbeats are old"],
)
def test_a_worker_of_the_release_is_missing(
    workers: list[Worker], nodes: Sequence[Node], faults: dict[str, str]
) -> None:
    found = bad(Seen(FINE, workers, nodes))
    assert found.items() >= faults.items()
    # A queue counts as consumed only if a worker of this release, r2, consumes it.
    assert ("queues" in found) == ("r2" not in {node.release for node in nodes})


def test_workers_of_one_release_share_the_queues() -> None:
    half, rest = frozenset({"ingest", "backtest"}), ALL - {"ingest", "backtest"}
    split = [*answered("r2", queues=half), *answered("r2", queues=rest)]
    assert bad(Seen(FINE, heard("r2", "r2"), split)) == {}
    mixed = [*answered("r2", queues=half), *answered("r1", queues=rest)]
    assert bad(Seen(FINE, heard("r2", "r1"), mixed)) == {
        "queues": "no worker consumes ai_analysis, market_data, notifications"
    }


@pytest.mark.parametrize(
    ("seen", "names"),
    [
        (Seen(FINE, heard("r2", "r1"), answered("r2")), "worker-main@h:1"),
        (Seen(FINE, heard("r2"), answered("r2", None)), "celery@1"),
    ],
    ids=["by heartbeat", "by answer"],
)
def test_another_release_is_left(seen: Seen, names: str) -> None:
    assert bad(seen) == {}
    assert bad(seen, only=True) == {"only": f"of another release: {names}"}


def test_it_speaks_japanese() -> None:
    checks = judge(Seen(FINE, [], []), Speaker("ja"), release="r2", only=False)
    assert {check.name: check.detail for check in checks}["ping"] == "ワーカーがありません"
