"""The overview's preview of a fetch counts what the overview has counted."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from kaboom.drivers.clock import utc_now
from kaboom.market.calendar import last_sessions, latest_closed_session
from tests.fixtures.jobs.apps import RUN_DAILY, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, text_of

pytestmark = pytest.mark.anyio
EARLIER, NEWEST = last_sessions(2, latest_closed_session(utc_now()))


async def test_a_session_that_nobody_has_requested_is_missing(
    judge_in_the_evening: Callable[[date], None], tmp_path: Path
) -> None:
    judge_in_the_evening(NEWEST)
    settings = memory_settings(tmp_path, bar_store="pages")
    async with running(settings, authenticators=[VIEWERS]) as app, browser_of(app, accept="text/html") as browser:
        body = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": EARLIER.isoformat()}
        accepted = await browser.post(RUN_DAILY, json=body)
        await browser.get(accepted.headers["location"], headers={"prefer": "wait=30"})
        overview = text_of((await browser.get("/?interval=1d")).text)
        form = {"session": NEWEST.isoformat(), "interval": "1d"}
        preview = text_of((await browser.post("/fetch/preview", data=form)).text)
    missing = re.search(r"Fetch the ([\d,]+) missing", overview)
    assert missing
    assert f"{missing[1]} symbols of one session" in preview
