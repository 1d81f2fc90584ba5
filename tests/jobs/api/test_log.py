"""Where a page of a job's log ends, and when its stream ends for good."""

from datetime import timedelta

import orjson
import pytest

from kaboom.drivers.clock import utc_now
from kaboom.jobs.api.log import LogQuery, download_log, page_log, stream_log
from kaboom.jobs.model import JobStatus
from kaboom.jobs.redis.events import EventHub, JobEvent
from kaboom.jobs.redis.lines import FieldValue, JobLine
from kaboom.jobs.redis.memory_records import MemoryEventLog
from tests.fixtures.jobs.jobs import make_job


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "ended_s", "answer"),
    [
        # The last lines of a job come up to four seconds after its end.
        (JobStatus.COMPLETED, 6, 204),
        (JobStatus.COMPLETED, 0, 200),
        (JobStatus.COMPLETED, None, 204),
        (JobStatus.RUNNING, None, 200),
    ],
)
async def test_the_log_of_a_job_ends_some_seconds_after_the_job(
    status: JobStatus, ended_s: int | None, answer: int
) -> None:
    ended_at = None if ended_s is None else utc_now() - timedelta(seconds=ended_s)
    job = make_job(status=status, completed_at=ended_at)
    assert (await stream_log(EventHub(MemoryEventLog()), job, LogQuery())).status_code == answer


@pytest.mark.parametrize(
    ("limit", "level", "wanted"),
    [
        (4, "debug", (["a", "b", "c", "d"], "4-0", False)),
        (3, "debug", (["a", "b", "c"], "3-0", True)),
        # Lines below the level count as seen only if the page is the last one.
        (2, "info", (["b", "d"], "4-0", False)),
        (1, "info", (["b"], "2-0", True)),
        (9, "error", ([], "4-0", False)),
    ],
)
def test_a_page_of_a_log_ends_at_its_limit(limit: int, level: str, wanted: tuple[list[str], str, bool]) -> None:
    at, levels = "2026-12-01T00:00:00+00:00", {"a": "debug", "b": "info", "c": "debug", "d": "warning"}
    lines = [JobLine(at, each, name, {}) for name, each in levels.items()]
    kept = [JobEvent(f"{n}-0", "line", line.to_json()) for n, line in enumerate(lines, 1)]
    page = page_log(kept, LogQuery.model_validate({"limit": limit, "level": level}))
    assert ([line.event for line in page.items], page.after, page.has_more) == wanted


def test_a_page_without_lines_begins_again_where_it_was() -> None:
    page = page_log([], LogQuery(after="7-0"))
    assert (page.items, page.after, page.has_more) == ([], "7-0", False)


def keep(*lines: JobLine) -> list[JobEvent]:
    return [JobEvent(f"{n}-0", "line", line.to_json()) for n, line in enumerate(lines, 1)]


NOON = "2026-12-01T03:00:00.500000+00:00"


@pytest.mark.parametrize(
    ("q", "wanted"),
    [
        ("", ["chunk_started", "chunk_broken"]),
        ("BROKEN", ["chunk_broken"]),
        ("worker-2", ["chunk_broken"]),
        ("chunk 502", ["chunk_broken"]),
        ("started 502", []),
        ("accepted true", ["chunk_started"]),
    ],
)
def test_a_search_finds_lines_that_have_all_words_in_any_case(q: str, wanted: list[str]) -> None:
    fields = {"worker": "worker-2", "error": "the provider answered 502"}
    kept = keep(
        JobLine(NOON, "info", "chunk_started", {"accepted": True}), JobLine(NOON, "error", "chunk_broken", fields)
    )
    assert [line.event for line in page_log(kept, LogQuery(q=q)).items] == wanted


def test_a_file_of_a_log_has_one_line_for_each_in_order_of_time() -> None:
    later = NOON.replace("03:00", "03:01")
    forged: dict[str, FieldValue] = {"why": "no\n2026-12-01 forged", "n": 3, "item": "7203"}
    kept = keep(JobLine(later, "info", "second", {}), JobLine(NOON, "warning", "first", forged))
    text = bytes(download_log(kept, LogQuery(format="txt", limit=1), "0" * 32).body).decode()
    assert text.splitlines() == [
        '2026-12-01T12:00:00.500+09:00  warning  first  why="no\\n2026-12-01 forged" n=3 item=7203',
        "2026-12-01T12:01:00.500+09:00  info     second",
    ]
    answer = download_log(kept, LogQuery(format="ndjson", level="warning"), "0" * 32)
    (line,) = map(orjson.loads, bytes(answer.body).splitlines())
    assert (line["event"], line["fields"], line["id"]) == ("first", forged, "2-0")
    assert answer.headers["content-disposition"] == 'attachment; filename="log-00000000.ndjson"'
