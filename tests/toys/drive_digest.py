"""Drives the toy feature as its users would, in a tree that has it; prints what they see as JSON."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx2
import orjson

from kaboom.main import create_app
from kaboom.settings import load_settings

TOKEN = "a-token-of-the-toy-feature"


async def main(data_dir: str) -> dict[str, Any]:
    """Ingest some bars, submit a digest of them and a schedule for one, and return the answers."""
    settings = load_settings(
        disable_redis=True,
        disable_celery=True,
        database_url=None,
        bar_store="memory",
        data_dir=Path(data_dir),
        ingest_api_token=TOKEN,
    )
    app = create_app(settings)
    transport = httpx2.ASGITransport(app=app)
    headers = {"x-ingest-token": TOKEN}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://kaboom", headers=headers) as client,
    ):
        bars = {"provider": "synthetic", "symbols": ["1301", "1332", "1333"], "intervals": {"1d": 1}}
        ingest = (await client.post("/api/v1/ingest/run-daily", json=bars)).json()
        await client.get(f"/api/v1/ingest/jobs/{ingest['job_id']}", headers={"Prefer": "wait=20"})
        refused = [
            await client.post("/api/v1/notifications/toy-digest", json=bad)
            for bad in ({"names": 99}, {"market": "FILE"})
        ]
        accepted = (await client.post("/api/v1/notifications/toy-digest", json={"names": 2})).json()
        path = f"/api/v1/notifications/jobs/{accepted['job_id']}"
        job = (await client.get(path, headers={"Prefer": "wait=20"})).json()
        retried = (await client.post(f"{path}/retry")).json()
        path = f"/api/v1/notifications/jobs/{retried['job_id']}"
        child = (await client.get(path, headers={"Prefer": "wait=20"})).json()
        schedule = await client.post(
            "/api/v1/schedules",
            json={"name": "digest", "task": "notifications.toy_digest", "cron": "0 18 * * 5", "request": {"names": 5}},
        )
        stats = (await client.get("/api/v1/notifications/jobs/stats")).json()
        return {
            "refused": [(answer.status_code, answer.json()["errors"][0]["pointer"]) for answer in refused],
            "job": job,
            "retried": child,
            "schedule": schedule.json(),
            "listed": (await client.get("/api/v1/jobs?queue=notifications")).json()["items"],
            "stats": stats,
            "paths": sorted(path for path in app.openapi()["paths"] if "notifications" in path),
        }


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(main(sys.argv[1]))))
