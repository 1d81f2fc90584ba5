"""Whatever is wrong with a question, the answer is a problem that says what was expected: never a 500."""

from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaboom.bars.export.formats import Format
from kaboom.market_data.answers import choose_format

pytestmark = pytest.mark.anyio
BARS, ONE = "/api/v1/bars", "/api/v1/bars/7203"
COVERED = ("coverage", "coverage/sessions", "coverage/cells", "coverage/cells/7203")
COVERAGE, CALENDAR = "/api/v1/coverage", "/api/v1/calendar"


def problem_of(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert "Traceback" not in answer.text
    return problem


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (404, f"{BARS}/../../etc"),
        (404, f"{BARS}/..%2f..%2fetc"),
        (422, f"{BARS}/..7203"),
        (422, f"{BARS}/%00"),
        (422, f"{BARS}/%ff%fe"),
        (422, f"{BARS}/7203.T"),
        (422, f"{BARS}/{'7' * 21}"),
        (422, f"{BARS}/7203%27;DROP"),
        (422, f"{BARS}/a..b?provider=file"),
        (422, f"{BARS}/a%5cb?provider=file"),
        (422, f"{ONE}?interval=7m"),
        (422, f"{ONE}?interval="),
        (422, f"{ONE}?provider=../real"),
        (422, f"{ONE}?provider=bloomberg"),
        (422, f"{ONE}?provider={'a' * 41}"),
        (422, f"{ONE}?adjusted=perhaps"),
        (422, f"{ONE}?limit=0"),
        (422, f"{ONE}?limit=20001"),
        (422, f"{ONE}?limit=1e3"),
        (422, f"{ONE}?start=2025-11-04T09:00:00"),
        (422, f"{ONE}?start=20251104"),
        (422, f"{ONE}?start=1762214400"),
        (422, f"{ONE}?start=2025-13-99"),
        (422, f"{ONE}?start=0001-01-01"),
        (422, f"{ONE}?end=9999-12-31"),
        (422, f"{ONE}?end=9999-12-31T23:59:59-23:59"),
        (422, f"{ONE}?start=2025-11-05&end=2025-11-04"),
        (422, f"{ONE}?start=2025-11-04&end=2025-11-04"),
        (422, f"{ONE}?from=2025-11-04"),
        (422, f"{ONE}?cursor={'a' * 301}"),
        (400, f"{ONE}?cursor=nonsense"),
        (400, f"{ONE}?cursor=%E6%97%A5"),
        (422, f"{BARS}/latest?symbol=%2e%2e/etc"),
        (422, f"{BARS}/latest?symbol="),
        (422, f"{BARS}/latest?" + "&".join(["symbol=7203"] * 201)),
        (422, f"{BARS}/latest?limit=5"),
        (422, f"{COVERAGE}?first=2025-11-05&last=2025-11-04"),
        (422, f"{COVERAGE}?first=2020-11-05&last=2025-11-04"),
        (422, f"{COVERAGE}?first=2025-11-04T00:00:00Z"),
        (422, f"{COVERAGE}?limit=100001"),
        (400, f"{COVERAGE}?cursor=AAAA"),
        (422, f"{CALENDAR}?first=1989-12-31"),
        (422, f"{CALENDAR}?last=2100-01-01"),
        (422, f"{CALENDAR}?first=2000-01-01&last=2025-01-01"),
        (422, "/api/v1/symbols?q=%00"),
        (422, f"/api/v1/symbols?q={'a' * 101}"),
        (422, "/api/v1/symbols?market=NASDAQ"),
        (422, "/api/v1/universe?market="),
        (422, "/api/v1/universe?session=yesterday"),
        (405, "/api/v1/symbols"),
    ],
)
async def test_a_bad_question_is_refused(http: httpx2.AsyncClient, status: int, path: str) -> None:
    problem_of(await http.request("POST" if status == 405 else "GET", path), status)


async def test_what_is_wrong_is_named(http: httpx2.AsyncClient) -> None:
    problem = problem_of(await http.get(f"{BARS}/7203.T"), 422)
    assert problem["errors"] == [{"pointer": "#/symbol", "detail": problem["detail"]}]
    assert "'7203.T', expected a TSE local code" in problem["detail"]
    assert "expected a time zone" in problem_of(await http.get(f"{ONE}?end=2025-11-04T09:00:00"), 422)["detail"]


async def test_a_cursor_is_of_one_list_only(market: httpx2.AsyncClient) -> None:
    span = "start=2025-10-31&end=2025-11-06&limit=1"
    cursor = (await market.get(f"{ONE}?{span}")).json()["next_cursor"]
    assert (await market.get(f"{ONE}?{span}&cursor={cursor}")).status_code == 200
    for other in (
        f"{BARS}/6758?{span}",
        f"{ONE}?{span}&interval=1d",
        f"{ONE}?{span}&provider=file",
        f"{ONE}?start=2025-11-04&end=2025-11-06",
        f"{COVERAGE}?first=2025-10-31",
    ):
        assert problem_of(await market.get(f"{other}&cursor={cursor}"), 400)["type"].endswith("/bad-cursor")


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", "application/json;q=0", "nonsense", "*/*;q=0", "text/csv;q=x"]
)
async def test_no_format_that_fits_is_a_problem(http: httpx2.AsyncClient, accept: str) -> None:
    answer = await http.get(ONE, headers={"Accept": accept, "Accept-Language": "ja"})
    problem = problem_of(answer, 406)
    assert problem["title"] == "対応する形式がありません"
    assert "application/vnd.apache.parquet" in problem["detail"]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Format.JSON),
        ("*/*", Format.JSON),
        ("application/*", Format.JSON),
        ("text/*", Format.CSV),
        ("TEXT/CSV; header=present", Format.CSV),
        ("text/csv;q=0.4, application/json;q=0.5", Format.JSON),
        ("*/*;q=0.1, application/vnd.apache.arrow.stream", Format.ARROW),
        ("application/*, application/json;q=0", Format.ARROW),
        ("application/x-parquet", Format.PARQUET),
        ("text/html, application/xhtml+xml, */*;q=0.8", Format.JSON),
        ("," * 10_000 + "text/html", None),
    ],
)
def test_the_format_is_the_one_liked_best(accept: str | None, form: Format | None) -> None:
    if form is None:
        with pytest.raises(Exception, match="Accept was"):
            choose_format(accept)
    else:
        assert choose_format(accept) is form


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "interval",
                "provider",
                "start",
                "end",
                "limit",
                "cursor",
                "adjusted",
                "symbol",
                "first",
                "last",
                "sessions",
                "market",
                "q",
            ]
        ),
        st.text(max_size=30) | st.sampled_from(["1m", "1d", "2025-11-04", "synthetic", "file", "7203", "1", "true"]),
        max_size=4,
    ),
    st.sampled_from(["bars/7203", "bars/latest", *COVERED, "symbols", "universe", "calendar"]),
)
async def test_nothing_asked_is_our_fault(http: httpx2.AsyncClient, params: dict[str, str], path: str) -> None:
    answer = await http.get(f"/api/v1/{path}", params=params)
    assert answer.status_code in {200, 400, 404, 422}, answer.text
