"""`kaboom jobs list --q` says how far back it searched, and how to search on."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from kaboom.jobs.api.view import JobPage
from kaboom.jobs.model import USER_QUEUES
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted

STOPPED = {"next_cursor": "WyIy", "searched_back_to": "2025-11-04T07:30:00Z"}


@pytest.mark.parametrize(
    ("language", "page", "words"),
    [
        ("en", {"items": []} | STOPPED, "no job since 2025-11-04 16:30 JST mentions 7203; search older ones"),
        ("ja", {"items": []} | STOPPED, "2025-11-04 16:30 JST 以降で 7203 に該当するジョブはありません"),
        ("en", example_of(JobPage) | STOPPED, "searched the jobs since 2025-11-04 16:30 JST; search older ones"),
        ("ja", example_of(JobPage) | STOPPED, "2025-11-04 16:30 JST 以降のジョブを検索しました"),
    ],
)
def test_a_search_that_stopped_names_the_time_and_the_cursor(
    kaboom: Kaboom, scripted: Scripted, language: str, page: dict[str, Any], words: str
) -> None:
    scripted.answers.append((200, orjson.dumps(page)))
    done = kaboom("--lang", language, "jobs", "list", "--q", "7203")
    assert words in done.err
    assert "--cursor WyIy" in done.err
    assert len(done.err.splitlines()) == 1
    assert [job["job_id"] in done.out for job in page["items"]] == [True] * len(page["items"])


def test_a_search_of_all_jobs_says_so(kaboom: Kaboom, scripted: Scripted) -> None:
    nothing: dict[str, Any] = {"items": [], "next_cursor": None, "searched_back_to": None}
    scripted.answers.append((200, orjson.dumps(nothing)))
    assert "no job mentions 7203" in kaboom("jobs", "list", "--q", "7203").err


def test_each_filter_and_the_cursor_are_asked_for(kaboom: Kaboom, scripted: Scripted) -> None:
    words = "--status failed --status partial --q 7203 --limit 5 --cursor WyIy --queue ingest"
    scripted.answers.append((200, orjson.dumps(example_of(JobPage))))
    assert kaboom("jobs", "list", *words.split()).code == 0
    asked = parse_qsl(urlsplit(scripted.seen[0][0]).query)
    assert sorted(asked) == [
        ("cursor", "WyIy"),
        ("limit", "5"),
        ("q", "7203"),
        ("queue", "ingest"),
        ("status", "failed"),
        ("status", "partial"),
    ]


def test_all_but_notifications_are_listed_and_with_all_those_too(kaboom: Kaboom, scripted: Scripted) -> None:
    for words, queues in (([], set(USER_QUEUES)), (["--all"], set[str]())):
        scripted.answers.append((200, orjson.dumps(example_of(JobPage))))
        kaboom("jobs", "list", *words)
        asked = parse_qsl(urlsplit(scripted.seen[-1][0]).query)
        assert {value for name, value in asked if name == "queue"} == queues
        assert ("limit", "20") in asked
