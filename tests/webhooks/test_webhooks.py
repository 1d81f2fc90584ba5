"""`callback_url`, and the routes over what became of it: with real receivers, and as callers see it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from kaboom.errors import ConfigurationError, StoreError
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.outbox import AttemptEnd, DeliveryStatus
from kaboom.main import create_app
from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.callers import add_token, add_user, jwt_of, stranger_of
from tests.fixtures.jobs.apps import (
    INGEST,
    JOBS,
    RUN_DAILY,
    TOKEN,
    client_of,
    jobs_of,
    memory_settings,
    real_settings,
    running,
)
from tests.fixtures.servers.receivers import SECRET, Receiver, receiving

pytestmark = pytest.mark.anyio
WEBHOOKS = f"{INGEST}/webhooks"
DRY = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}
URL = "http://n8n.internal:5678/webhook-waiting/1?signature=s3cret"
OTHER = "http://n8n.internal:5678/webhook-waiting/2?signature=s3cret"
SIGNING = {"webhook_secret": SECRET, "webhook_hosts": "127.0.0.1 n8n.internal:5678"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.fixture
async def signing(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An API in memory that runs its jobs, and calls back."""
    async with running(memory_settings(tmp_path, **SIGNING)) as app, client_of(app) as client:
        yield client


@pytest.fixture
async def signing_app(real_app: FastAPI, redis_url: str, database_url: str, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """An API on an empty Redis and ledger that calls back; no worker takes what it queues."""
    update = {"webhook_secret": SecretStr(SECRET), "webhook_hosts": SIGNING["webhook_hosts"]}
    settings = real_settings(redis_url, database_url, tmp_path).model_copy(update=update)
    async with running(settings) as app:
        yield app


@pytest.fixture
async def queued(signing_app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it."""
    async with client_of(signing_app) as client:
        yield client


async def submit(http: httpx2.AsyncClient, url: str | None, key: str | None = None, **body: object) -> httpx2.Response:
    content = DRY | body | ({"callback_url": url} if url else {})
    return await http.post(RUN_DAILY, json=content, headers={"Idempotency-Key": key} if key else {})


async def webhooks(http: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await http.get(WEBHOOKS, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_job_tells_its_end(signing: httpx2.AsyncClient, receiver: Receiver) -> None:
    accepted = await submit(signing, receiver.url)
    assert (accepted.status_code, list(accepted.json())) == (202, ["job_id", "status"])
    job_id = accepted.json()["job_id"]
    assert await asyncio.to_thread(receiver.arrived.acquire, timeout=30)
    event = receiver.seen[0].verify()
    assert (event["type"], event["data"]["job_id"]) == ("ingest.job.completed", job_id)
    job = (await signing.get(event["data"]["links"]["self"])).json()
    assert job["status"] == "completed"
    # The URL may be signed: only the list of webhooks shows it.
    assert "signature" not in str(job)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.2:9443/", "port 9443"),
        ("https://10.0.0.1/", "did not lead to a public address"),
        ("http://hooks.example.com/", "was http"),
        ("https://localhost/", "did not lead to a public address"),
        ("no url", "was not plain"),
        ("", "was not plain"),
    ],
)
async def test_a_url_that_may_not_be_called_is_refused_with_the_reason(
    queued: httpx2.AsyncClient, url: str, why: str
) -> None:
    answer = await queued.post(RUN_DAILY, json=DRY | {"callback_url": url})
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert answer.json()["errors"][0]["pointer"] == "#/callback_url"
    assert await webhooks(queued) == []


async def test_a_kaboom_without_a_secret_says_so(real_http: httpx2.AsyncClient) -> None:
    answer = await submit(real_http, "https://hooks.example.com/")
    assert answer.status_code == 422
    assert "KABOOM_WEBHOOK_SECRET" in answer.json()["detail"]


async def test_who_joins_a_job_gets_a_webhook_of_its_end_too(queued: httpx2.AsyncClient) -> None:
    first, joined, without = await submit(queued, URL), await submit(queued, OTHER), await submit(queued, None)
    assert first.json()["job_id"] == joined.json()["job_id"] == without.json()["job_id"]
    assert joined.headers["kaboom-coalesced"] == "true"
    assert [w["url"] for w in await webhooks(queued, job_id=first.json()["job_id"])] == [OTHER, URL]


async def test_who_asks_again_after_the_end_gets_no_webhook_of_the_ended_job(
    queued: httpx2.AsyncClient, signing_app: FastAPI
) -> None:
    first = (await submit(queued, URL)).json()["job_id"]
    # Redis knows the end before the ledger does.
    await jobs_of(signing_app).parts.store.cancel("ingest", first)
    again = (await submit(queued, OTHER)).json()["job_id"]
    told = {w["url"]: (w["job_id"], w["status"]) for w in await webhooks(queued)}
    assert told == {URL: (first, "pending"), OTHER: (again, "waiting")}


async def test_a_key_is_replayed_only_with_the_same_url(queued: httpx2.AsyncClient) -> None:
    first, again = await submit(queued, URL, key="k"), await submit(queued, URL, key="k")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert (await submit(queued, OTHER, key="k")).status_code == 422
    assert len(await webhooks(queued, job_id=first.json()["job_id"])) == 1


async def test_a_submission_cut_off_before_it_was_registered_is_made_good(
    queued: httpx2.AsyncClient, signing_app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = (await submit(queued, URL)).json()["job_id"]

    async def away(*_: object, **__: object) -> None:
        raise StoreError("away")

    with monkeypatch.context() as broken:
        broken.setattr(jobs_of(signing_app).parts.history.outbox, "register", away)
        assert (await submit(queued, OTHER, key="k")).status_code == 503
    again = await submit(queued, OTHER, key="k")
    assert (again.status_code, again.json()["job_id"]) == (202, job_id)
    assert [w["url"] for w in await webhooks(queued, job_id=job_id)] == [OTHER, URL]


async def test_a_retry_sends_webhooks_to_the_receivers_of_its_parent(
    queued: httpx2.AsyncClient, signing_app: FastAPI
) -> None:
    job_id = (await submit(queued, URL)).json()["job_id"]
    await queued.post(f"{JOBS}/{job_id}/cancel")
    child = (await queued.post(f"{JOBS}/{job_id}/retry", json={})).json()["job_id"]
    assert child != job_id
    assert [(w["url"], w["status"]) for w in await webhooks(queued, job_id=child)] == [(URL, "waiting")]


class TestRoutes:
    async def test_one_is_shown_and_replayed_once_it_has_ended(
        self, queued: httpx2.AsyncClient, signing_app: FastAPI
    ) -> None:
        (await submit(queued, URL)).raise_for_status()
        (waiting,) = await webhooks(queued, status="waiting")
        assert (await queued.post(waiting["links"]["replay"])).status_code == 409
        await self._kill(signing_app, waiting["job_id"])
        (dead,) = await webhooks(queued, status="dead")
        assert dead == (await queued.get(dead["links"]["self"])).json()
        assert (dead["attempts"], dead["last_status"], dead["last_error"]) == (1, 410, "the receiver answered 410")
        answer = await queued.post(dead["links"]["replay"])
        assert (answer.status_code, answer.json()["status"], answer.json()["attempts"]) == (202, "pending", 0)

    @staticmethod
    async def _kill(app: FastAPI, job_id: str) -> None:
        history = jobs_of(app).parts.history
        job = await history.load("ingest", job_id)
        assert job is not None
        await history.save_final(replace(job, status=JobStatus.COMPLETED))
        (delivery,) = await history.outbox.claim(limit=1, per_host=1, busy=())
        await history.outbox.save_attempt(delivery, AttemptEnd(DeliveryStatus.DEAD, 410, "the receiver answered 410"))

    async def test_pages_hang_together(self, queued: httpx2.AsyncClient) -> None:
        for n in range(5):
            await submit(queued, URL, chunk_size=n + 1)
        found, url = [], f"{WEBHOOKS}?limit=2&status=waiting&status=pending"
        while True:
            answer = await queued.get(url)
            found += [item["job_id"] for item in answer.json()["items"]]
            if not answer.json()["next_cursor"]:
                break
            url = answer.headers["link"].split(">")[0].removeprefix("<")
        assert len(found) == len(set(found)) == 5

    @pytest.mark.parametrize("name", ["msg_" + "0" * 32, "nonsense", "msg_%2e%2e", "MSG_" + "0" * 32])
    async def test_an_unknown_one_is_404(self, queued: httpx2.AsyncClient, name: str) -> None:
        assert (await queued.get(f"{WEBHOOKS}/{name}")).status_code == 404
        assert (await queued.post(f"{WEBHOOKS}/{name}/replay")).status_code == 404

    @pytest.mark.parametrize("query", ["status=lost", "cursor=x", "cursor=0", "limit=0", "job_id=1", "what=1"])
    async def test_a_wrong_query_is_422(self, queued: httpx2.AsyncClient, query: str) -> None:
        assert (await queued.get(f"{WEBHOOKS}?{query}")).status_code == 422

    async def test_they_need_the_token(self, signing_app: FastAPI) -> None:
        async with client_of(signing_app, **{"x-ingest-token": TOKEN + "x"}) as stranger:
            assert (await stranger.get(WEBHOOKS)).status_code == 401


@pytest.mark.parametrize("setting", [{"webhook_secret": "hush"}, {"webhook_hosts": "http://n8n"}])
async def test_settings_that_cannot_work_end_the_start(tmp_path: Path, setting: dict[str, str]) -> None:
    app = create_app(memory_settings(tmp_path, **setting))
    with pytest.raises(ConfigurationError, match="KABOOM_WEBHOOK_"):
        async with app.router.lifespan_context(app):
            pass


async def test_a_viewer_sees_the_host_of_a_callback_and_not_its_url(signing_app: FastAPI) -> None:
    async with client_of(signing_app) as http:
        for url in (URL, OTHER):
            await submit(http, url, symbols=["7203" if url == URL else "6758"])
        found = (await http.get(WEBHOOKS)).json()["items"]
        assert [each["url"] for each in found] == [OTHER, URL]
    viewer = await jwt_of(signing_app, await add_user(signing_app, Role.VIEWER))
    callers = [(viewer, False)]
    for scope, sees in ((Scope.BARS_READ, False), (Scope.INGEST, True), (Scope.JOBS_WRITE, True)):
        callers.append(((await add_token(signing_app, scope, Scope.JOBS_READ))[1], sees))
    for bearer, sees in callers:
        async with stranger_of(signing_app, authorization=f"Bearer {bearer}") as other:
            answers = [await other.get(WEBHOOKS), await other.get(f"{WEBHOOKS}/{found[0]['id']}")]
        urls = [each["url"] for each in answers[0].json()["items"]] + [answers[1].json()["url"]]
        if sees:
            assert urls == [OTHER, URL, OTHER]
        else:
            assert "signature" not in "".join(answer.text for answer in answers)
            assert [re.sub("[0-9a-f]{12}$", "…", url) for url in urls] == ["http://n8n.internal/#…"] * 3
            assert urls[0] == urls[2] != urls[1]
