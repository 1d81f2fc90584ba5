"""Edge values of the engine's pure functions: waits, texts that are kept, counts, and how long results stay."""

from kaboom.errors import StoreError
from kaboom.jobs.engine.run.completion import describe, wait_s
from kaboom.jobs.engine.run.worker import add_report
from kaboom.jobs.model import JobStatus, Tally
from kaboom.jobs.redis.celery_results import FAILURE_EXPIRES_S, RESULT_EXPIRES_S, lifetime_s
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from tests.fixtures.jobs.jobs import make_job


def test_a_store_that_asks_for_a_short_wait_waits_longer_each_time_all_the_same() -> None:
    assert [wait_s(StoreError("busy", retry_after_s=2.0), waits) for waits in range(4)] == [2, 2, 4, 8]


def test_of_a_long_message_the_beginning_is_kept() -> None:
    assert describe(ValueError("x" * 10_000)).startswith("ValueError: x")


def test_a_tally_keeps_its_first_cause_counts_what_was_written_and_notes_what_was_said() -> None:
    base = Tally(cursor=1, failed=1, cause="1301 invalid: first")
    outcomes = (
        SymbolOutcome("7203", Outcome.OK, rows=3, message="said"),
        SymbolOutcome("6758", Outcome.NO_TRADES),
        SymbolOutcome("9984", Outcome.INVALID, message="second"),
    )
    tally = add_report(base, OutcomeReport(outcomes))
    assert (tally.cause, tally.written, tally.done, tally.failed) == ("1301 invalid: first", 1, 2, 2)
    assert [(note.item, note.message) for note in tally.notes] == [("7203", "said"), ("6758", ""), ("9984", "second")]


def test_only_the_result_of_a_failed_job_stays_for_a_week() -> None:
    kept = {status: lifetime_s(make_job(status=status)) for status in JobStatus if status.is_final}
    assert {status for status, seconds in kept.items() if seconds == FAILURE_EXPIRES_S} == {JobStatus.FAILED}
    assert set(kept.values()) == {FAILURE_EXPIRES_S, RESULT_EXPIRES_S}
