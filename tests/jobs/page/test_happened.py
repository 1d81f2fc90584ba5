"""What the page of a job says of its runs, pauses and bars: the most serious first."""

from datetime import UTC, datetime
from typing import Any

from kaboom.jobs.api.chunks import ChunkPage, ChunkView, PauseView
from kaboom.jobs.api.view import LogLine
from kaboom.jobs.page.job import list_notices, pause_seconds
from kaboom.web.routers import example_of

BEGAN, ENDED, NEXT = (datetime(2025, 11, 4, 7, *at, tzinfo=UTC) for at in ((0, 0), (1, 30), (2, 0)))


def run(ending: str | None, **values: Any) -> dict[str, Any]:
    of_run = {
        "run": 1, "worker": "w1", "slot": 1, "started_at": BEGAN, "ended_at": ENDED, "ending": ending,
        "settled_before": 0, "settled": 0, "failed": 0, "reason": "", "paused_until": None,
    }  # fmt: skip
    return of_run | values


def chunk(n: str, *runs: dict[str, Any], state: str = "done", **values: Any) -> dict[str, Any]:
    known = {"n": n, "state": state, "attempts": len(runs), "items": 50, "error": "", "runs": list(runs)}
    return {**example_of(ChunkView), **known, **values}


def page(*chunks: dict[str, Any], pauses: tuple[PauseView, ...] = ()) -> ChunkPage:
    return ChunkPage.model_validate({"items": chunks, "total": len(chunks), "pauses": pauses, "next_cursor": None})


def test_a_chunk_that_was_given_up_counts_its_attempts_and_not_its_waits() -> None:
    dead = chunk("3", run("waiting"), run("broken"), run("failed"), state="dead", attempts=2, error="disk full")
    (first, *rest), more = list_notices(page(dead), {})
    assert (first.kind, first.key, first.values) == ("bad", "given_up", {"chunk": "3", "n": 2, "why": "disk full"})
    assert [each.key for each in rest] == ["run_waiting", "run_broken", "run_failed"]
    assert more == 0


def test_a_run_names_the_run_that_went_on() -> None:
    later = run("done", worker="w2", started_at=NEXT, settled_before=20)
    (found,), _ = list_notices(page(chunk("0", run("expired", reason="lost"), later)), {})
    assert (found.kind, found.key) == ("warn", "run_expired")
    assert found.values == {
        "chunk": "0", "worker": "w1", "at": ENDED, "why": "lost",
        "next_worker": "w2", "next_at": NEXT, "settled": 20, "items": 50,
    }  # fmt: skip


def test_a_run_that_nobody_went_on_with_is_open() -> None:
    found, _ = list_notices(page(chunk("0", run("expired")), chunk("1", run("failed")), chunk("2", run("done"))), {})
    assert [(each.key, each.values["why"]) for each in found] == [("run_expired_open", "?"), ("run_failed", "?")]


def test_pauses_are_one_notice_with_their_time_and_commonest_reason() -> None:
    pauses = tuple(PauseView(begins_at=BEGAN, ends_at=end, reason=why) for end, why in (
        (ENDED, "429"), (NEXT, "503"), (ENDED, "503"),
    ))  # fmt: skip
    assert pause_seconds(pauses) == 300
    (found,), _ = list_notices(page(pauses=pauses), {})
    assert (found.key, found.values) == ("pauses", {"n": 3, "seconds": 300, "at": BEGAN, "why": "503"})


def test_odd_bars_come_last_and_the_commonest_flag_first() -> None:
    counts = {"flag_spike": 2, "flag_gap": 5, "flag_stale": 0, "corrected": 1, "rows": 9}
    lines = [LogLine(id="1-0", at=BEGAN, level="info", event="cancel_asked", fields={"reason": "too late"})]
    found, _ = list_notices(page(chunk("0", run("broken"))), counts, lines)
    assert [each.key for each in found] == ["run_broken_open", "why_cancelled", "flagged", "corrected"]
    assert found[2].values == {"n": 7, "flags": [("gap", 5), ("spike", 2)]}
    assert list_notices(None, {"flag_gap": 0}) == ([], 0)


def test_the_most_serious_are_shown_and_the_others_counted() -> None:
    broken = [chunk(str(n), run("broken"), run("done")) for n in range(9)]
    dead = chunk("9", run("failed"), state="dead")
    found, more = list_notices(page(*broken, dead), {"corrected": 1})
    assert [each.kind for each in found] == ["bad", *["warn"] * 7]
    assert more == 12 - 8
