"""The links between the pages of a list, and from a path of the API to its page."""

from typing import Any

import pytest

from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.links import link_to, page_links, page_showing
from kaboom.operations.dead_letters import DeadLetterPage


def listed(next_cursor: str | None) -> Reply[DeadLetterPage]:
    return Reply(200, DeadLetterPage(items=[], next_cursor=next_cursor))


def test_the_older_link_leads_past_this_page_and_the_newest_to_the_first() -> None:
    here = "/jobs?status=failed"
    first, middle, last = (page_links(here, listed(after), at) for at, after in [(None, "a"), ("a", "b"), ("b", None)])
    assert first == {"newest": "", "older": f"{here}&cursor=a"}
    assert middle == {"newest": here, "older": f"{here}&cursor=b"}
    assert last == {"newest": here, "older": ""}


def test_a_list_that_is_unavailable_links_to_no_older_rows() -> None:
    away = Reply[DeadLetterPage](503, problem={"detail": "away"})
    assert page_links("/jobs", away, None) == {"newest": "", "older": ""}


@pytest.mark.parametrize(
    ("values", "link"),
    [
        ({}, "/jobs"),
        ({"q": None, "status": ""}, "/jobs"),
        ({"q": "a&b"}, "/jobs?q=a%26b"),
        ({"n": [1, 2]}, "/jobs?n=1&n=2"),
    ],
)
def test_empty_values_are_left_out_of_a_link(values: dict[str, Any], link: str) -> None:
    assert link_to("/jobs", **values) == link


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/api/v1/workers", "/workers"),
        ("/api/v1/jobs?status=queued&queue=ingest&limit=5", "/jobs?status=queued&queue=ingest"),
        ("/api/v1/jobs?status=failed&status=partial", "/jobs?status=failed&status=partial"),
        ("/api/v1/dead-letters?is_retried=false", "/dead-letters"),
        ("/api/v1/coverage/sessions?market=TSE_PRIME&interval=1m", "/?market=TSE_PRIME&interval=1m"),
        (f"/api/v1/schedules/{'a' * 32}", f"/schedules/{'a' * 32}"),
        ("/readyz", ""),
    ],
)
def test_a_path_of_the_api_leads_to_its_page(path: str, page: str) -> None:
    assert page_showing(path) == page
