"""The API: lifespan, routers, handlers; nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fastapi import FastAPI

from app.errors import install_handlers
from app.health.routes import router as health_router
from app.ingest.routes import router as ingest_router
from app.jobs.events import EventHub
from app.middleware import Gate
from app.schedules.routes import router as schedules_router
from app.settings import AppSettings, load_settings
from app.tasks.dispatch import LocalDispatcher
from app.tasks.lifecycle import Jobs
from app.tasks.parts import build_parts
from app.tasks.reaper import Reaper
from app.tasks.scheduler import Scheduler
from app.telemetry import configure_logging
from batch.errors import ConfigurationError


def create_app(settings: AppSettings | None = None) -> FastAPI:
    """Return the API of the settings, by default the environment's.

    Raises:
        ConfigurationError: no ingest token is set; an API that anybody may use does not start.

    """
    chosen = settings or load_settings()
    configure_logging(log_format=chosen.log_format, level=chosen.log_level)
    if chosen.ingest_api_token is None:
        raise ConfigurationError("INGEST_API_TOKEN is not set: set it to a long random text")
    app = FastAPI(
        title="Kaboom",
        version="0.1.0",
        summary="Jobs on Japanese-equity market data, with the truth about each symbol.",
        lifespan=lambda app: _live(app, chosen),
        # FastAPI's pages load their scripts from a CDN; ours come vendored, with the dashboard.
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Gate, ingest_token=chosen.ingest_api_token.get_secret_value())
    install_handlers(app)
    app.include_router(health_router)
    app.include_router(ingest_router)
    app.include_router(schedules_router)
    return app


@contextlib.asynccontextmanager
async def _live(app: FastAPI, settings: AppSettings) -> AsyncIterator[None]:
    parts = build_parts(settings, role="api")
    await parts.check()
    app.state.jobs = jobs = Jobs(parts)
    app.state.events = hub = EventHub(parts.events)
    tasks = [asyncio.create_task(work) for work in [hub.run(), *_background(jobs)]]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await parts.close()


def _background(jobs: Jobs) -> list[Coroutine[Any, Any, None]]:
    parts = jobs.parts
    work = [Reaper(parts).run()]
    if isinstance(parts.dispatcher, LocalDispatcher):
        from app.tasks.local import run_local_workers  # noqa: PLC0415  an API with Celery runs no handler

        # With Celery the workers' main processes fire.
        work += [Scheduler(jobs).run(), run_local_workers(parts, parts.dispatcher)]
    return work
