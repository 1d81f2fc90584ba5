"""Analyses by models through the API, on a fake OpenRouter."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fixtures.jobs.analyses import ANALYSE, SESSION, end_of, ingest
from tests.fixtures.jobs.apps import TOKEN, client_of, memory_settings, running
from tests.fixtures.providers.fake_openrouter import KEY, FakeOpenRouter, fake_openrouter

pytestmark = pytest.mark.anyio
BODY = {"symbols": ["7203"], "session": SESSION, "sessions": 100}
#: Of the 0.000421 dollars of an answer.
MICRODOLLARS = 421
CANARIES = {"jwt_secret_key": "canary-of-the-jwt-key-0123456789abcdef", "database_url": None}


@pytest.fixture
def fake() -> Iterator[FakeOpenRouter]:
    """A fake OpenRouter."""
    with fake_openrouter() as server:
        yield server


@asynccontextmanager
async def api(fake: FakeOpenRouter, folder: Path, models: str, **values: Any) -> AsyncIterator[httpx2.AsyncClient]:
    own = {"bar_store": "pages", "openrouter_key": KEY, "openrouter_url": fake.url, "ai_models": models, **CANARIES}
    async with running(memory_settings(folder, **(own | values))) as app, client_of(app) as http:
        await ingest(http)
        yield http


async def test_the_majority_of_models_is_the_result_with_its_cost(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path, "good/a good/b last/c") as http:
        result = (await end_of(http, ANALYSE, BODY))["result"]
        (one,) = result["analyses"]
        assert (one["analyst"], one["verdict"], one["verdict_words"]) == ("models", "bullish", "強気")
        assert (one["agreed"], one["asked"], one["reason"]) == (2, 3, "")
        assert [model["ending"] for model in one["models"]] == ["used"] * 3
        assert result["cost_microdollars"] == 3 * MICRODOLLARS
        assert result["disclaimer"].startswith("本分析はAIが自動生成した参考情報で、投資勧誘・投資助言を目的としません")
        again = (await end_of(http, ANALYSE, BODY))["result"]
        assert (again["cost_microdollars"], len(fake.requests)) == (0, 3)
        spent = (await http.get("/api/v1/ai-analysis/models")).json()["spent_today_microdollars"]
        assert spent == 3 * MICRODOLLARS


async def test_three_verdicts_are_no_consensus(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path, "good/a second/b last/c") as http:
        (one,) = (await end_of(http, ANALYSE, BODY))["result"]["analyses"]
    assert (one["verdict"], one["verdict_words"], one["points"]) == (None, None, [])


async def test_the_rules_stand_in_for_models_that_lie_or_obey(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path, "liar/a html/b advising/c") as http:
        (one,) = (await end_of(http, ANALYSE, BODY))["result"]["analyses"]
        assert one["analyst"] == "rules-1"
        assert one["reason"].startswith("number at /points/0/text")
        assert [model["ending"] for model in one["models"]] == ["refused"] * 3
        assert sum(model["cost_microdollars"] for model in one["models"]) == 3 * MICRODOLLARS
        assert "<" not in str(one["points"])
        (one,) = (await end_of(http, ANALYSE, BODY | {"analyst": "models"}))["result"]["analyses"]
        assert (one["analyst"], one["verdict"], one["agreed"]) == ("models", None, 0)
        jobs = (await http.get("/api/v1/jobs")).json()["items"]
        assert sorted(job["task"] for job in jobs) == ["ai_analysis.analyse"] * 2 + ["ingest.run_daily"]


async def test_a_dry_run_shows_all_that_would_be_sent(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path, "good/a,good/spare") as http:
        (shown,) = (await end_of(http, ANALYSE, BODY | {"dry_run": True}))["result"]["previews"]
        assert fake.requests == []
        assert (shown["destination"], shown["models"]) == (fake.url, ["good/a,good/spare"])
        assert shown["most_microdollars"] > 30_000
        await end_of(http, ANALYSE, BODY)
    (body,) = fake.bodies
    assert [message["content"] for message in body["messages"]] == [shown["system"], shown["user"]]
    assert body["response_format"]["json_schema"]["schema"] == shown["answer_schema"]


async def test_no_secret_and_no_caller_is_sent(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path, "good/a") as http:
        await end_of(http, ANALYSE, BODY)
    sent = b"".join(request.body for request in fake.requests).decode()
    secrets = (KEY, TOKEN, CANARIES["jwt_secret_key"] or "", str(tmp_path), "owner")
    assert [secret for secret in secrets if secret in sent] == []


async def test_an_operator_can_refuse_that_anything_is_sent(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path, "good/a", ai_send=False) as http:
        (one,) = (await end_of(http, ANALYSE, BODY))["result"]["analyses"]
        assert (one["analyst"], fake.requests) == ("rules-1", [])
        refused = await http.post(ANALYSE, json=BODY | {"analyst": "models"})
        assert refused.status_code == 422
        assert "KABOOM_AI_SEND is false" in refused.text


async def test_a_symbol_without_bars_asks_no_model(fake: FakeOpenRouter, tmp_path: Path) -> None:
    async with api(fake, tmp_path, "good/a") as http:
        job = await end_of(http, ANALYSE, BODY | {"symbols": ["6758"]})
    assert (job["status"], fake.requests) == ("failed", [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("openrouter_url", "http://example.com"),
        ("openrouter_url", "https://user:password@example.com"),
        ("ai_models", "a/b;c"),
        ("ai_day_budget", -1),
    ],
)
def test_an_invalid_setting_is_rejected(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"string_pattern_mismatch|greater_than_equal"):
        memory_settings(tmp_path, **{name: value})
