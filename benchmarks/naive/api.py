"""The peer: the service that most would write first, with the same body, token, key names and answers."""

import json
import os
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import redis.asyncio
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from benchmarks.naive.celery_app import run_daily as run_daily_task

app = FastAPI()
client: Any = redis.asyncio.Redis.from_url(os.environ["NAIVE_REDIS_URL"], decode_responses=True)


class Body(BaseModel):
    """What may be asked."""

    intervals: dict[str, int]
    market: str = "TSE_PRIME"
    chunk_size: int = Field(default=5000, ge=1)


def check_token(token: str | None) -> None:
    """Refuse a wrong token."""
    if token != os.environ["INGEST_API_TOKEN"]:
        raise HTTPException(401)


@app.post("/api/v1/ingest/run-daily", status_code=202)
async def run_daily(body: Body, x_ingest_token: Annotated[str | None, Header()] = None) -> dict[str, str]:
    """Keep a job in Redis, and publish it: four calls, the last one blocking the loop. Nothing is durable."""
    check_token(x_ingest_token)
    job_id = uuid.uuid4().hex
    request = body.model_dump()
    record = {"job_id": job_id, "status": "queued", "requested_at": datetime.now(UTC).isoformat(), **request}
    await client.set(f"naive:job:{job_id}", json.dumps(record), ex=86_400)
    await client.lpush("naive:jobs", job_id)
    await client.ltrim("naive:jobs", 0, 99)
    run_daily_task.apply_async(args=(job_id, request), task_id=job_id)
    return {"job_id": job_id, "status": "queued"}


@app.get("/api/v1/ingest/jobs")
async def list_jobs(limit: int = 50, x_ingest_token: Annotated[str | None, Header()] = None) -> list[dict[str, Any]]:
    """List the newest jobs: one call for the ids, and one for each job."""
    check_token(x_ingest_token)
    found = [await client.get(f"naive:job:{job_id}") for job_id in await client.lrange("naive:jobs", 0, limit - 1)]
    return [json.loads(text) for text in found if text]
