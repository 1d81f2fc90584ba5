"""The workflows in a real n8n, against a real API, worker, Valkey and PostgreSQL."""

import json
from collections.abc import Callable

import pytest

from tests.fixtures.jobs.apps import JOBS, RUN_DAILY
from tests.fixtures.providers.provider_faults import say_status
from tests.fixtures.servers.http_servers import Request
from tests.fixtures.servers.stacks import serving, until
from tests.n8n.lab.lab import TRIGGER_TOKEN, Lab, job_id_in
from tests.n8n.lab.relay import say
from tests.n8n.lab.workflows import ALERT, CALLBACK, NAMES, PATHS, POLLING

#: The first test of a lock waits until n8n is installed.
pytestmark = pytest.mark.timeout(1_200)
BOTH = (POLLING, CALLBACK)


def has_at_least(number: int) -> Callable[[list[Request]], bool]:
    return lambda requests: len(requests) >= number


@pytest.mark.parametrize(("workflow", "symbol"), [(POLLING, "7203"), (CALLBACK, "6758")])
def test_a_job_is_followed_to_its_end_and_reported(lab: Lab, workflow: str, symbol: str) -> None:
    fired = lab.fire(workflow, symbols=[symbol])
    text = fired.message("completed: ok 1, 1 rows")
    assert fired.end().status == "success"
    job = lab.up.api.job(job_id_in(text))
    assert (job["status"], job["result"]["outcomes"]) == ("completed", {"ok": 1})
    assert f"{job['task']} of {job['market']} for {job['result']['session']}" in text


def test_what_wakes_it_is_the_callback_and_nothing_asks_before(lab: Lab) -> None:
    fired = lab.fire(CALLBACK, symbols=["9984"])
    job_id = job_id_in(fired.message("completed: ok 1"))
    (told,) = until(lambda: lab.up.api.get(f"/webhooks?job_id={job_id}&status=delivered")["items"], bool, within_s=20)
    # This n8n signs no such address, and counts its runs: anybody who reaches it can call it.
    assert told["url"] == f"{lab.n8n.http.base_url}/webhook-waiting/{fired.end().number}"
    assert len(fired.asked(f"{JOBS}/{job_id}")) == 1


@pytest.mark.parametrize(("workflow", "symbol"), [(POLLING, "8306"), (CALLBACK, "6501")])
def test_a_job_that_fails_takes_the_failure_branch(lab: Lab, workflow: str, symbol: str) -> None:
    lab.yahoo.faults_by_symbol[symbol] = say_status(500)
    fired = lab.fire(workflow, symbols=[symbol])
    text = fired.message(f"provider_error 1: {symbol}")
    assert fired.end().status == "error"
    lines = text.splitlines()
    job = lab.up.api.job(job_id_in(text))
    assert job["status"] == "failed"
    assert lines[0] == f"Kaboom needs a look: job {job['job_id']} failed: {job['error']['message']}"
    assert f"What failed runs again with: kaboom jobs retry {job['job_id']}" in lines


@pytest.mark.parametrize(("workflow", "good", "bad"), [(POLLING, "6902", "7974"), (CALLBACK, "8035", "9432")])
def test_what_failed_of_a_partial_job_is_named(lab: Lab, workflow: str, good: str, bad: str) -> None:
    lab.yahoo.faults_by_symbol[bad] = say_status(500)
    fired = lab.fire(workflow, symbols=[good, bad])
    text = fired.message("is partial", f"provider_error 1: {bad}")
    # It is told of, and is no fault of the workflow.
    assert fired.end().status == "success"
    assert lab.up.api.job(job_id_in(text))["status"] == "partial"
    assert "ok 1" in text.splitlines()


def test_a_cancelled_job_is_reported(lab: Lab) -> None:
    lab.hold("9433")
    fired = lab.fire(POLLING, symbols=["9433"])
    job_id = fired.job("9433")["job_id"]
    assert lab.up.api.http.post(f"/api/v1/ingest/jobs/{job_id}/cancel").status_code == 202
    lab.held.set()
    fired.message(job_id, "cancelled")
    assert fired.end().status == "success"


def test_a_wrong_token_takes_the_failure_branch(lab: Lab) -> None:
    with serving(lab.n8n.folder / "other", INGEST_API_TOKEN="another-token-of-the-tests") as other:
        lab.relay.target = other.url
        fired = [lab.fire(workflow, symbols=["7203"]) for workflow in BOTH]
        texts = [run.message("Kaboom answered 401: ", NAMES[run.workflow]) for run in fired]
        assert [run.end().status for run in fired] == ["error", "error"]
    assert all("x-ingest-token" in text for text in texts)
    assert not any("kaboom jobs retry" in text for text in texts)


def test_an_api_that_is_down_takes_the_failure_branch(lab: Lab) -> None:
    lab.link.refuse()
    fired = [lab.fire(workflow, symbols=["7203"]) for workflow in BOTH]
    for run in fired:
        run.message("Kaboom was not reached at http://127.0.0.1:", "ECONNREFUSED", NAMES[run.workflow])
    assert [run.end().status for run in fired] == ["error", "error"]


def test_a_refused_request_is_reported_in_the_words_of_the_api(lab: Lab) -> None:
    fired = lab.fire(POLLING, intervals={"7m": 1})
    assert "supported are 1m, 5m, 15m, 1h, 1d" in fired.message("Kaboom answered 422")
    assert fired.end().status == "error"


def test_a_503_with_retry_after_is_asked_again_later(lab: Lab) -> None:
    lab.relay.instead = say(503, Retry_After="1")
    fired = lab.fire(POLLING, symbols=["4063"])
    until(lambda: fired.asked(RUN_DAILY), has_at_least(2), within_s=30)
    lab.heal()
    job_id = job_id_in(fired.message("completed: ok 1"))
    # The same key each time: had one of them been taken after all, there would still be one job.
    assert len({post.headers["idempotency-key"] for post in fired.asked(RUN_DAILY)}) == 1
    assert lab.up.api.job(job_id)["status"] == "completed"


def test_repeated_429_answers_end_the_workflow(lab: Lab) -> None:
    lab.relay.instead = say(429, Retry_After="1")
    fired = lab.fire(POLLING, symbols=["7203"])
    fired.message("Kaboom answered 429")
    assert fired.end().status == "error"
    assert len(fired.asked(RUN_DAILY)) == 5


def test_a_request_is_retried_while_the_api_is_unavailable(lab: Lab) -> None:
    lab.hold("6861")
    fired = lab.fire(POLLING, symbols=["6861"])
    job_id = fired.job("6861")["job_id"]
    path = f"{JOBS}/{job_id}"
    until(lambda: fired.asked(path), bool, within_s=20)
    lab.link.refuse()
    lab.held.set()
    lab.up.api.wait(job_id)
    lab.link.heal()
    fired.message(job_id, "completed: ok 1")
    assert fired.end().status == "success"
    # It does not ask all the time: each question waits at the API for the end.
    assert {question.headers["prefer"] for question in fired.asked(path)} == {"wait=25"}
    assert len(fired.asked(path)) == 2


def test_a_forged_callback_is_rejected(lab: Lab) -> None:
    lab.hold("6098")
    fired = lab.fire(CALLBACK, symbols=["6098"])
    waiting, job_id = fired.wait_for("waiting"), fired.job("6098")["job_id"]
    forged = {"status": "completed", "data": {"job_id": job_id, "status": "completed"}}
    for instead, questions in ((None, 1), (say(502, b"<html>"), 3)):
        lab.relay.instead = instead
        enough = len(fired.asked(f"{JOBS}/{job_id}")) + questions
        assert lab.n8n.http.post(f"/webhook-waiting/{waiting.number}", json=forged).status_code == 200
        until(lambda: fired.asked(f"{JOBS}/{job_id}"), has_at_least(enough), within_s=30)
        lab.relay.instead = None
        fired.wait_for("waiting")
        assert fired.messages() == []
    lab.held.set()
    fired.message(job_id, "completed: ok 1")
    assert lab.up.api.job(job_id)["status"] == "completed"


def test_an_alert_is_raised_by_hand(lab: Lab) -> None:
    fired = lab.fire(ALERT, reason="<somebody> & I want to know", source="a test")
    assert fired.message("a test").splitlines() == [
        "Kaboom needs a look: &lt;somebody&gt; &amp; I want to know",
        "n8n: a test",
    ]
    fired.end()
    # n8n keeps what its own webhooks are called with, so their token is another one than Kaboom's.
    assert lab.n8n.files_with(TRIGGER_TOKEN) != []


@pytest.mark.parametrize("path", PATHS.values())
def test_nobody_starts_a_workflow_without_the_token(lab: Lab, path: str) -> None:
    assert lab.n8n.call(path) == 403
    assert lab.n8n.call(path, **{"x-trigger-token": "guessed"}) == 403


def test_the_same_session_is_asked_for_with_the_same_key(lab: Lab) -> None:
    desk = lab.desk
    until(lambda: len(desk.asked("/api/v1/calendar")), lambda n: n >= 2, within_s=30)
    # So far no day was a session.
    assert desk.asked("/api/v1/ingest/run-daily") == []
    desk.sessions.append("2025-11-04")
    submitted = until(lambda: desk.asked("/api/v1/ingest/run-daily"), has_at_least(2), within_s=30)
    desk.sessions.clear()
    assert {post.headers["idempotency-key"] for post in submitted} == {"n8n-daily-ingest-2025-11-04"}
    body = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500, "session": "2025-11-04"}
    assert [json.loads(post.body) for post in submitted] == [body] * len(submitted)
