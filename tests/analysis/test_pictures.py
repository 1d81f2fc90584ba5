"""The picture of what an analysis judged: drawn for whoever may see it, sent to models only where it is allowed."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kaboom.pictures import process
from tests.fixtures.jobs.analyses import ANALYSE, SESSION, end_of, ingest
from tests.fixtures.jobs.apps import client_of, memory_settings, running
from tests.fixtures.providers.fake_openrouter import KEY, FakeOpenRouter, fake_openrouter

pytestmark = pytest.mark.anyio
RESULTS = "/api/v1/ai-analysis/results"
PNG = b"\x89PNG\r\n\x1a\n"
BODY = {"symbols": ["7203"], "session": SESSION, "sessions": 100}


@pytest.fixture
def fake() -> Iterator[FakeOpenRouter]:
    """A fake OpenRouter."""
    with fake_openrouter() as server:
        yield server


@asynccontextmanager
async def api(fake: FakeOpenRouter, folder: Path, **values: Any) -> AsyncIterator[httpx2.AsyncClient]:
    own = {"bar_store": "pages", "openrouter_key": KEY, "openrouter_url": fake.url, "ai_models": "good/a"}
    # A picture reserves a token for each of its letters.
    settings = memory_settings(folder, **(own | {"ai_job_budget": 10**7} | values))
    async with running(settings) as app, client_of(app) as http:
        await ingest(http)
        yield http


async def test_by_default_no_picture_is_sent(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path) as http:
        assert (await http.get("/api/v1/ai-analysis/models")).json()["sends_pictures"] is False
        (shown,) = (await end_of(http, ANALYSE, BODY | {"dry_run": True}))["result"]["previews"]
        job = await end_of(http, ANALYSE, BODY)
        (one,) = job["result"]["analyses"]
        assert (shown["picture"], one["picture"], one["analyst"]) == ("kept", "kept", "models")
        (body,) = fake.bodies
        assert [type(message["content"]) for message in body["messages"]] == [str, str]
        assert "image" not in str(body)
        drawn = await http.get(f"{RESULTS}/{job['job_id']}/7203.png")
        assert (drawn.status_code, drawn.headers["content-type"], drawn.content[:8]) == (200, "image/png", PNG)


async def test_where_it_is_allowed_models_get_the_picture_that_is_shown(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path, ai_images=True) as http:
        assert (await http.get("/api/v1/ai-analysis/models")).json()["sends_pictures"] is True
        told = await end_of(http, ANALYSE, BODY | {"dry_run": True})
        (shown,) = told["result"]["previews"]
        assert (shown["picture"], fake.requests) == ("sent", [])
        job = await end_of(http, ANALYSE, BODY)
        (one,) = job["result"]["analyses"]
        assert (one["picture"], one["analyst"], one["verdict"]) == ("sent", "models", "bullish")
        (body,) = fake.bodies
        system, user = (message["content"] for message in body["messages"])
        assert system == shown["system"]
        text, image = user
        assert (text, image["type"]) == ({"type": "text", "text": shown["user"]}, "image_url")
        head, _, content = image["image_url"]["url"].partition(",")
        assert head == "data:image/png;base64"
        for job_id in (told["job_id"], job["job_id"]):
            drawn = await http.get(f"{RESULTS}/{job_id}/7203.png", params={"lang": "ja"})
            assert drawn.content == base64.b64decode(content, validate=True)
        # What a call may cost counts the picture.
        assert shown["most_microdollars"] > 3 * len(content)


async def test_a_failed_picture_is_not_sent(
    fake: FakeOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with api(fake, tmp_path, ai_images=True) as http:
        monkeypatch.setattr(process, "can_draw", lambda: False)
        job = await end_of(http, ANALYSE, BODY)
        (one,) = job["result"]["analyses"]
        assert (one["picture"], one["analyst"]) == ("kept", "models")
        assert isinstance(fake.bodies[0]["messages"][1]["content"], str)
        missing = await http.get(f"{RESULTS}/{job['job_id']}/7203.png")
        assert (missing.status_code, "kaboom-api[pictures]" in missing.json()["detail"]) == (404, True)


async def test_only_a_judged_symbol_has_a_picture(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path) as http:
        job = await end_of(http, ANALYSE, BODY | {"symbols": ["7203", "6758"], "analyst": "rules"})
        assert [one["picture"] for one in job["result"]["analyses"]] == ["kept", "none"]
        for subject in ("6758", "x", "%00", "%ED%A0%80"):
            answer = await http.get(f"{RESULTS}/{job['job_id']}/{subject}.png")
            assert answer.status_code in {404, 422}, answer.text
        assert (await http.get(f"{RESULTS}/{'0' * 32}/7203.png")).status_code == 404
        explained = await end_of(http, ANALYSE, {"kind": "ingest", "job_id": (await ingest(http))["job_id"]})
        assert [one["picture"] for one in explained["result"]["analyses"]] == ["none"]
