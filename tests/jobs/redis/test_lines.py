"""What a job's log keeps of a line: plain values, cut short, and only of lines that name a job."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.jobs.model import JobStatus
from kaboom.jobs.redis.events import Feed, FeedKey
from kaboom.jobs.redis.lines import JobLine, pick_line

LOGGED = {
    "queue": "ingest",
    "job_id": "dc84d88371794773b929d2957f6a663b",
    "level": "info",
    "timestamp": "2025-11-04T07:00:01.204000Z",
    "event": "chunk_done",
}
PLAIN = st.text() | st.integers() | st.floats() | st.booleans() | st.none()


def fields_of(**values: Any) -> Any:
    picked = pick_line(LOGGED | values)
    assert picked is not None
    return picked[1].fields


def test_a_line_is_its_jobs() -> None:
    picked = pick_line(LOGGED | {"rows": 10, "logger": "app", "request_id": "r", "task": "t"})
    line = JobLine("2025-11-04T07:00:01.204000Z", "info", "chunk_done", {"rows": 10})
    assert picked == (FeedKey("ingest", LOGGED["job_id"], Feed.LINES), line)


@pytest.mark.parametrize("missing", ["queue", "job_id", "level"])
def test_a_line_that_names_no_job_is_nobodys(missing: str) -> None:
    assert pick_line({name: value for name, value in LOGGED.items() if name != missing}) is None


def test_only_plain_values_are_kept() -> None:
    odd = {"request": {"callback": "x"}, "items": ["x"], "error": ValueError("x"), "raw": b"x", "exc_info": (1, 2, 3)}
    assert fields_of(**odd, status=JobStatus.FAILED, rate=1.5, is_final=True, none=None) == {
        "status": "failed", "rate": 1.5, "is_final": True, "none": None,
    }  # fmt: skip


def test_long_lines_are_cut() -> None:
    many = {f"field_{n}": "\u3042" * 10_000 for n in range(100)}
    fields = fields_of(**many)
    assert len(fields) == 10
    assert all(len(value) == 401 for value in fields.values())


@given(st.dictionaries(st.text(max_size=20), PLAIN, max_size=5))
def test_whatever_was_logged_can_be_read_again(values: dict[str, Any]) -> None:
    picked = pick_line(values | LOGGED)
    assert picked is not None
    text = picked[1].to_json()
    text.encode()
    assert orjson.loads(text)
    assert JobLine.from_json(text).event == "chunk_done"


@pytest.mark.parametrize("number", [math.nan, math.inf, 10**40])
def test_numbers_that_json_has_no_word_for(number: float) -> None:
    line = JobLine.from_json(JobLine("", "info", "x", fields_of(number=number)).to_json())
    assert float(line.fields["number"] or 0) == pytest.approx(float(number), nan_ok=True)


@pytest.mark.parametrize(("level", "shown"), [("debug", 5), ("info", 4), ("warning", 3), ("error", 2)])
def test_levels_count_from_one_upwards(level: str, shown: int) -> None:
    lines = [JobLine("", name, "x", {}) for name in ("debug", "info", "warning", "error", "critical")]
    assert sum(line.is_at_least(level) for line in lines) == shown
