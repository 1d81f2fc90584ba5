"""The timeline of a job: lanes, bars, pauses and the axis, from the API's chunks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kaboom.jobs.api.chunks import ChunkPage, ChunkView
from kaboom.jobs.page.timeline import build_timeline
from kaboom.web.routers import example_of

START = datetime(2025, 11, 4, 7, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def run(worker: str, slot: int | None, begin: float, end: float | None, **values: Any) -> dict[str, Any]:
    return {
        "run": 1, "worker": worker, "slot": slot, "started_at": at(begin), "ended_at": None if end is None else at(end),
        "ending": None if end is None else "done", "settled_before": 0, "settled": 10, "failed": 0, "reason": "",
        "paused_until": None,
    } | values  # fmt: skip


def page(*chunks: list[dict[str, Any]], pauses: tuple[dict[str, Any], ...] = ()) -> ChunkPage:
    items = [example_of(ChunkView) | {"n": str(n), "runs": runs} for n, runs in enumerate(chunks)]
    return ChunkPage.model_validate({"items": items, "total": len(items), "pauses": pauses, "next_cursor": None})


def test_a_lane_for_each_slot_that_ran_something() -> None:
    found = build_timeline(
        page([run("b", 1, 0, 10)], [run("a", 2, 5, 20)], [run("a", 1, 10, 15)], [run("a", 2, 15, 20)]), now=START
    )
    assert found
    assert found.workers == ["a", "b"]
    assert found.lanes == [(1, 1), (1, 2), (2, 1)]
    assert [(bar.lane, bar.x, bar.width) for bar in found.bars] == [(2, 0, 50), (1, 25, 75), (0, 50, 25), (1, 75, 25)]


def test_runs_show_their_failed_share_and_reach_to_now() -> None:
    found = build_timeline(
        page([run("a", 1, 0, 10, failed=5)], [run("a", 2, 10, None)]), now=START + timedelta(seconds=20)
    )
    assert found
    assert [(bar.x, bar.width, bar.bad, bar.look) for bar in found.bars] == [(0, 50, 25, "f-ok"), (50, 50, 0, "f-now")]


def test_a_lost_run_links_to_its_successor() -> None:
    lost = run("a", 1, 0, 15, ending="expired")
    found = build_timeline(page([lost, run("b", 1, 20, 30)], [run("a", 2, 0, 30)]), now=START)
    assert found
    assert [(before.run.worker, after.run.worker) for before, after in found.links] == [("a", "b")]
    assert [bar.look for bar in found.bars] == ["f-none", "f-ok", "f-ok"]


def test_pauses_are_cut_at_the_end() -> None:
    pauses = (
        {"begins_at": at(5), "ends_at": at(60), "reason": "429"},
        {"begins_at": at(20), "ends_at": at(40), "reason": "it begins at the end"},
        {"begins_at": at(30), "ends_at": at(40), "reason": ""},
    )
    found = build_timeline(page([run("a", 1, 0, 20)], pauses=pauses), now=START)
    assert found
    assert [(x, width) for x, width, _ in found.pauses] == [(25, 75)]


@pytest.mark.parametrize("seconds", [0, 0.05, 1, 7, 59, 601, 4000, 100_000, 5_000_000])
def test_the_axis_has_few_marks(seconds: float) -> None:
    found = build_timeline(page([run("a", None, 0, seconds)]), now=START)
    assert found
    assert 1 <= len(found.ticks) <= 9
    assert all(0 <= x <= 100 for x, _ in found.ticks)
    assert found.lanes == [(1, None)]
    assert found.bars[0].width > 0


def test_a_timeline_of_days_places_runs_by_all_of_their_time() -> None:
    day = 86_400
    found = build_timeline(page([run("a", 1, 0, day)], [run("a", 1, 1.5 * day, 2 * day)]), now=START)
    assert found
    assert [(bar.x, bar.width) for bar in found.bars] == [(0, 50), (75, 25)]


def test_a_job_without_runs_has_no_timeline() -> None:
    assert build_timeline(page([]), now=START) is None
