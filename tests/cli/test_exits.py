"""Exit codes: one meaning each, as the documents promise to scripts."""

import orjson
import pytest

from kaboom.cli.exits import BY_STATUS, Exit, exit_for_status
from kaboom.cli.output import watch
from kaboom.jobs.model import TRANSITIONS, JobStatus
from tests.fixtures.cli import Kaboom, Scripted

PROBLEM = {"title": "What it is", "detail": "what was wrong", "request_id": "r1"}
DISK = "the disk of /data is full: 0 MiB are free, expected 256 MiB or more; free space on it"


def test_the_codes_are_those_of_the_contract() -> None:
    assert {code.name: code.value for code in Exit} == {
        "OK": 0,
        "JOB_FAILED": 1,
        "USAGE": 2,
        "AUTH": 3,
        "NOT_FOUND": 4,
        "CONFLICT": 5,
        "RATE_LIMITED": 6,
        "UNAVAILABLE": 7,
        "PARTIAL": 8,
        "TIMED_OUT": 124,
        "INTERRUPTED": 130,
    }


def test_without_celery_a_smoke_has_nobody_to_ask(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISABLE_CELERY", "true")
    done = kaboom("smoke")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "DISABLE_CELERY was true" in done.err


def test_every_final_state_has_a_code() -> None:
    assert set(BY_STATUS) == {status.value for status in JobStatus if not TRANSITIONS[status]}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2),
        (401, 3),
        (403, 3),
        (404, 4),
        (409, 5),
        (413, 2),
        (415, 2),
        (422, 2),
        (429, 6),
        (500, 7),
        (502, 7),
        (503, 7),
    ],
)
def test_a_problem_ends_with_its_code_and_is_reported(
    kaboom: Kaboom, scripted: Scripted, status: int, code: int
) -> None:
    scripted.answers.append((status, orjson.dumps(PROBLEM)))
    done = kaboom("jobs", "list")
    assert (done.code, done.out) == (code, "")
    assert done.err == "kaboom: What it is: what was wrong (request r1)\n"
    assert exit_for_status(status) == code


@pytest.mark.parametrize("content", [b"", b"<h1>Bad gateway</h1>", b"[]", b'"text"', b'{"title": "x"}', b"\xff"])
@pytest.mark.parametrize("status", [404, 502])
def test_an_error_that_is_no_problem_is_shown_as_it_is(
    kaboom: Kaboom, scripted: Scripted, status: int, content: bytes
) -> None:
    scripted.answers.append((status, content))
    done = kaboom("jobs", "list")
    assert done.code == exit_for_status(status)
    assert done.err.startswith(f"kaboom: HTTP {status}: ")


def test_a_server_that_is_no_kaboom_is_reported(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, b"<h1>It works!</h1>"))
    done = kaboom("jobs", "list")
    assert done.code == Exit.UNAVAILABLE
    assert "something else than JSON" in done.err


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("partial", 8), ("failed", 1), ("cancelled", 1)])
def test_a_watched_job_ends_with_the_code_of_its_state(
    kaboom: Kaboom, scripted: Scripted, status: str, code: int
) -> None:
    job = {
        "job_id": "a" * 32,
        "queue": "ingest",
        "task": "ingest.run_daily",
        "status": status,
        "requested_at": "2025-11-04T07:00:00Z",
        "completed_at": "2025-11-04T07:00:04Z",
        "progress": {"done": 1, "failed": 0, "total": 1, "cancelled": 0, "rows": 8, "rate": None, "eta_s": None},
        "result": None,
        "error": {"type": "InvalidRequest", "message": "why"} if status == "failed" else None,
    }
    scripted.answers += [
        (200, orjson.dumps(job | {"status": "queued"})),
        (200, orjson.dumps(job | {"status": "running"})),
        (200, orjson.dumps(job)),
    ]
    done = kaboom("jobs", "watch", "a" * 32)
    assert done.code == code
    assert done.out.startswith(f"{status.upper()}  job {'a' * 32} · 8 rows · 4.0 s · 2 rows/s")
    assert ("InvalidRequest: why" in done.out) == (status == "failed")
    assert [line.split()[0] for line in done.err.splitlines()[:3]] == ["queued", "running", status]


@pytest.mark.parametrize(
    ("language", "parts", "workers", "said"),
    [
        ("en", {"disk": DISK, "redis": "MISCONF"}, 1, f"· not ready: {DISK}"),
        (
            "ja",
            {"disk": DISK},
            1,
            "/data のディスクがいっぱいです",
        ),
        ("en", {"redis": "x did not answer", "broker": "x did not answer"}, 0, "· not ready: x did not answer"),
        ("en", {}, 0, "· no worker is online: kaboom worker"),
        ("en", {}, 1, "0/2 symbols"),
    ],
)
def test_why_a_watched_job_stands_still_is_said(
    kaboom: Kaboom,
    scripted: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    parts: dict[str, str],
    workers: int,
    said: str,
) -> None:
    monkeypatch.setattr(watch, "_STILL_S", 0.0)
    ready = {"parts": {name: {"is_ok": False, "detail": why} for name, why in parts.items()}, "workers_online": workers}
    progress = {"done": 0, "failed": 0, "total": 2, "cancelled": 0, "rows": 0, "rate": None, "eta_s": None}
    job = {
        "job_id": "a" * 32, "queue": "ingest", "task": "ingest.run_daily", "status": "running", "requested_at": None,
        "completed_at": None, "progress": progress, "result": None, "error": None,
    }  # fmt: skip
    answers = [(200, job), (200, job), (503, ready), (200, job | {"status": "completed"})]
    scripted.answers += [(status, orjson.dumps(answer)) for status, answer in answers]
    done = kaboom("--lang", language, "jobs", "watch", "a" * 32)
    assert [path for path, *_ in scripted.seen].index("/readyz") == 2
    lines = [line for line in done.err.splitlines() if said in line]
    assert len(lines) >= 1
    assert ("not ready" in done.err or "準備" in done.err) == bool(parts)


def test_a_server_that_comes_back_is_waited_for(kaboom: Kaboom, scripted: Scripted) -> None:
    job = {
        "job_id": "a" * 32,
        "queue": "ingest",
        "task": "ingest.run_daily",
        "status": "completed",
        "requested_at": None,
        "completed_at": None,
        "progress": {"done": 1, "failed": 0, "total": 1, "cancelled": 0, "rows": 8, "rate": None, "eta_s": None},
        "result": None,
        "error": None,
    }
    scripted.answers += [(503, orjson.dumps(PROBLEM)), (200, orjson.dumps(job))]
    done = kaboom("jobs", "watch", "a" * 32)
    assert done.code == Exit.OK
    assert done.err.splitlines()[0].endswith("; asking again for 30 s")


def test_a_read_beyond_the_limit_is_made_again_once_when_the_server_says(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.headers["Retry-After"] = "1"
    scripted.answers += [(429, orjson.dumps(PROBLEM)), (200, b'{"items": [], "next_cursor": null}')]
    assert kaboom("jobs", "list", "--queue", "ingest").code == Exit.OK
    scripted.answers += [(429, orjson.dumps(PROBLEM)), (429, orjson.dumps(PROBLEM))]
    del scripted.answers[0]
    assert kaboom("jobs", "list", "--queue", "ingest").code == Exit.RATE_LIMITED
    # The first list was empty, so it was asked whether there are other jobs.
    assert len(scripted.seen) == 5


def test_a_log_is_followed_through_broken_connections(kaboom: Kaboom, scripted: Scripted) -> None:
    line = orjson.dumps({"at": "2025-11-04T07:00:01.204000Z", "level": "info", "event": "x", "fields": {"n": 1}})
    event = b": a comment\nretry: 2000\n\nevent: line\ndata: " + line + b"\nid: %s\n\n: ping\n\n"
    scripted.answers += [
        (200, event % b"1-0" + event % b"2-0"),
        (503, orjson.dumps(PROBLEM)),
        (200, event % b"3-0"),
        (204, b""),
    ]
    done = kaboom("jobs", "logs", "a" * 32, "--follow", "--json", "--level", "warning")
    assert done.code == Exit.OK
    assert [orjson.loads(text)["id"] for text in done.out.splitlines()] == ["1-0", "2-0", "3-0"]
    assert scripted.last_ids == [None, "2-0", "2-0", "3-0"]
    assert {path.partition("?")[2] for path, _, _ in scripted.seen} == {"level=warning"}


def test_a_log_of_no_job_is_not_followed(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((404, orjson.dumps(PROBLEM)))
    assert kaboom("jobs", "logs", "a" * 32, "--follow").code == Exit.NOT_FOUND


def test_the_token_and_the_language_are_sent(
    kaboom: Kaboom, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answers.append((200, b'{"items": [], "next_cursor": null}'))
    monkeypatch.setenv("INGEST_API_TOKEN", "\u5408\u8a00\u8449")
    assert kaboom("--lang", "ja", "jobs", "list").code == Exit.OK
    _, token, language = scripted.seen[0]
    assert token.encode("latin-1").decode() == "\u5408\u8a00\u8449"
    assert language == "ja"
