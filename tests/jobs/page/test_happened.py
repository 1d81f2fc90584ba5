"""What the page of a job says of its runs, pauses and bars: the most serious first."""

from datetime import UTC, datetime
from typing import Any

from kaboom.dashboard.job_rows import JobRow
from kaboom.jobs.api.chunks import ChunkPage, ChunkView, PauseView
from kaboom.jobs.api.view import Failure, JobView, LogLine
from kaboom.jobs.page.job import list_causes, list_notices, pause_seconds
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


def row(outcomes: dict[str, int], **values: Any) -> JobRow:
    job = example_of(JobView)
    counts = {"quarantined": 3} if outcomes.get("invalid") else {}
    result = job["result"] | {"provider": "file", "outcomes": outcomes, "counts": counts}
    return JobRow(JobView.model_validate(job | {"status": "partial", "completed_at": None, "result": result} | values))


def failure(item: str, outcome: str, message: str) -> Failure:
    return Failure(item=item, interval="5m", outcome=outcome, message=message, attempts=1)


def test_a_cause_is_the_first_failure_of_its_outcome_with_its_rejected_rows() -> None:
    bad = "rejected: bad_price (9984.csv, line 3, with open -5)"
    failures = [failure("7203", "rate_limited", "429"), failure("9984", "invalid", bad), failure("1", "invalid", "no")]
    first, second, third = list_causes(row({"ok": 1, "rate_limited": 1, "invalid": 2, "lost": 1}), failures)
    assert (first.kind, first.key) == ("bad", "items_failed")
    rejected = "/quarantine?interval=5m&provider=file"
    assert first.values == {"n": 2, "outcome": "invalid", "item": "9984", "why": bad, "rejected": rejected}
    assert (second.kind, second.values["why"], second.values["rejected"]) == ("warn", "429", "")
    # A failure that the page does not list is counted all the same.
    assert (third.values["outcome"], third.values["why"]) == ("lost", "")
    (one,) = list_causes(row({"invalid": 1}), failures[1:])
    assert one.values["rejected"] == f"{rejected}&symbol=9984"
    assert (row({"rate_limited": 1}).rejected_rows(), row({"invalid": 1}).rejected_rows("5m")) == ("", rejected)
    assert [each.key for each in list_notices(None, {"corrected": 1}, causes=[one])[0]] == ["items_failed", "corrected"]


def test_a_job_that_failed_as_a_whole_says_its_error() -> None:
    (found,) = list_causes(row({}, status="failed", error={"type": "InvalidRequest", "message": "no bars"}), [])
    assert (found.kind, found.key, found.values) == ("bad", "job_failed", {"why": "no bars"})
    assert list_causes(row({"ok": 5}, status="completed"), []) == []


def test_only_faults_of_the_data_repeat() -> None:
    assert row({"ok": 1, "invalid": 2}).will_repeat
    assert not row({"invalid": 2, "rate_limited": 1}).will_repeat
    assert not row({"ok": 1}).will_repeat
