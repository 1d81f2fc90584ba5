"""The providers over HTTP: what each can do, what is set for it, and its pauses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.drivers.redis.client import connect_redis
from kaboom.errors import StoreError
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.operations.providers import ProviderList
from kaboom.providers.limiter.pauses import state
from kaboom.providers.registry import provider_names
from kaboom.web.services import services_of
from tests.fixtures.jobs.apps import client_of, jobs_of, memory_settings, running
from tests.text.texts import JAPANESE

pytestmark = pytest.mark.anyio
PROVIDERS = "/api/v1/providers"


async def look(http: httpx2.AsyncClient, **headers: str) -> dict[str, dict[str, Any]]:
    answer = await http.get(PROVIDERS, headers=headers)
    assert answer.status_code == 200, answer.text
    ProviderList.model_validate_json(answer.text)
    return {each["name"]: each for each in answer.json()["items"]}


async def test_each_provider_says_what_it_can_do_and_what_turns_it_on(http: httpx2.AsyncClient) -> None:
    found = await look(http)
    assert tuple(found) == provider_names()
    ours, jquants = found["synthetic"], found["jquants"]
    assert (ours["is_default"], ours["is_on"], ours["lacking"], ours["is_real"]) == (True, True, None, False)
    assert (jquants["is_on"], jquants["needs"]) == (False, ["JQUANTS_API_KEY"])
    assert "JQUANTS_API_KEY is not set" in jquants["lacking"]
    assert (jquants["requests_per_minute"], jquants["concurrency"], jquants["reach_days"]["1m"]) == (60, 4, 730)
    assert jquants["intervals"] == ["1m", "5m", "15m", "1h", "1d"]
    assert list(jquants["reach_days"]) == ["1m", "5m", "15m", "1h"]
    assert jquants["terms"]["url"] in jquants["terms"]["text"]
    assert jquants["is_paused"] is False


async def test_japanese_readers_get_japanese(http: httpx2.AsyncClient) -> None:
    found = await look(http, **{"accept-language": "ja"})
    assert "私的利用" in found["jquants"]["terms"]["text"]
    for each in found.values():
        for text in filter(None, (each["summary"], each["lacking"])):
            assert JAPANESE.search(text), f"say it in Japanese in src/kaboom/text/ja.po: {text}"


async def test_the_settings_decide(tmp_path: Path) -> None:
    settings = memory_settings(
        tmp_path,
        jquants_api_key="a-key-of-the-tests",
        provider="jquants",
        provider_requests_per_minute="jquants=120",
        provider_concurrency="jquants=off",
    )
    async with running(settings) as app, client_of(app) as http:
        answer = (await http.get(PROVIDERS)).text
        jquants = (await look(http))["jquants"]
    assert (jquants["is_default"], jquants["is_on"], jquants["lacking"]) == (True, True, None)
    assert (jquants["requests_per_minute"], jquants["concurrency"]) == (120, None)
    assert "a-key-of-the-tests" not in answer


async def test_a_pause_is_shown_until_it_ends(real_http: httpx2.AsyncClient, redis_url: str) -> None:
    redis = connect_redis(redis_url, client_name="test")
    seconds, _ = await redis.time()
    await redis.hset(state("yahoo"), mapping={"paused_until": (seconds + 90) * 1000, "message": "yahoo answered 429"})
    await redis.hset(state("jquants"), mapping={"paused_until": (seconds - 90) * 1000, "message": "over"})
    await redis.aclose()
    found = await look(real_http)
    assert (found["yahoo"]["is_paused"], found["yahoo"]["pause_reason"]) == (True, "yahoo answered 429")
    assert found["yahoo"]["paused_until"]
    assert (found["jquants"]["is_paused"], found["jquants"]["paused_until"]) == (False, None)


async def test_without_redis_a_pause_is_unknown_and_the_rest_is_shown(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    async def away() -> Any:
        raise StoreError("Redis did not answer in 2.5 s")

    parts = replace(jobs_of(real_app).parts, pauses=away)
    services_of(real_app).add(Jobs(parts))
    assert {each["is_paused"] for each in (await look(real_http)).values()} == {None}
